// SPDX-License-Identifier: Apache-2.0
//
// Why a socket_vmnet does not serve a network, and what mends it.

import Platform

enum VMNetError: Error, Hashable, CustomStringConvertible {
  case notInstalled(String)
  case noInterface
  /// Somebody else than root could put another program or file there.
  case unsafe(String)
  /// The pid file says nothing.
  case unreadable(String, String)
  /// The folder could not be made: sudo's words.
  case noFolder(String, String)
  case spawn(String)
  /// All attempts ended by themselves: the last one's words, and the log.
  case ended(attempts: Int, String, log: String)
  /// It ran for half a minute, and nobody answered at the socket.
  case silent(String, log: String)
  /// The network was stopped meanwhile.
  case stopped

  var description: String {
    switch self {
    case .notInstalled(let path):
      "socket_vmnet needs to be installed, as \(path) (paths.socketVMNet of networks.yaml): "
        + "https://lima-vm.io/docs/config/network/vmnet/"
    case .noInterface: "a bridged network needs an `interface:` of the host's, as en0"
    case .unsafe(let why): "its socket_vmnet is not run as root: \(why)"
    case .unreadable(let file, let why):
      "\(file), the pid file of its socket_vmnet, cannot be read: \(why). Remove it when no socket_vmnet runs"
    case .noFolder(let path, let why):
      "\(path) cannot be made: \(why). sudo has to run socket_vmnet without a password: limactl sudoers"
    case .spawn(let why): "its socket_vmnet cannot start: \(why)"
    case .ended(let attempts, let words, let log):
      "its socket_vmnet ended \(Plural.times(attempts)), and is not started again: \(words) (\(log))"
    case .silent(let socket, let log):
      "its socket_vmnet runs, but nobody answered at \(socket) for 30 s (\(log))"
    case .stopped: "it was stopped while its socket_vmnet was being started"
    }
  }
}

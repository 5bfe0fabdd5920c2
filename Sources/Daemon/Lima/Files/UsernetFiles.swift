// SPDX-License-Identifier: Apache-2.0
//
// UsernetFiles: what `limactl usernet` keeps beside the sockets of a user-v2 network, and Lima looks for: the pid file,
// by which it takes the network for running; the leases; the logs. With them an unmodified Lima uses this daemon's
// network and starts none of its own.
//
// A pid file says little by itself: its process may be dead, and the number another's by now. Whoever answers at the
// sockets is the one who serves (UnixSocket.listen finds out); the pid file only tells of one that is still about to.
// UsernetKeeper has the process that our own file names.
// Loop thread.

import Platform

struct UsernetFiles: Sendable {
  let network: String
  let directory: String

  var pidFile: String { directory + "/usernet_\(network).pid" }
  var leasesFile: String { directory + "/leases.json" }
  private var outputLog: String { directory + "/usernet.\(network).stdout.log" }
  private var errorLog: String { directory + "/usernet.\(network).stderr.log" }

  /// Why the network is somebody else's.
  enum Conflict: Error, Hashable, CustomStringConvertible {
    /// Lima holds this lock while it starts a network.
    case locked(String)
    case starting(pid: Int32, pidFile: String)

    var description: String {
      switch self {
      case .locked(let directory):
        "\(directory) is locked: somebody, a `limactl start` perhaps, is starting this network"
      case .starting(let pid, let file):
        "process \(pid), of which \(file) tells, is a `usernet`: it serves this network, or is about to; "
          + "stop it, or use another Lima home"
      }
    }
  }

  /// Runs `body`, which takes the sockets, while nobody else of Lima's world can.
  func whileLocked(_ body: () throws -> Void) throws {
    guard let lock = try Files.lockDirectory(directory) else { throw Conflict.locked(directory) }
    defer { Descriptor.close(lock) }
    if let pid = foreignProcess { throw Conflict.starting(pid: pid, pidFile: pidFile) }
    try body()
  }

  /// The lock under which Lima starts a network: closing it lets it go. Nil when somebody has it.
  func lock() -> Int32? { (try? Files.lockDirectory(directory)) ?? nil }

  /// The process of the pid file, if it is a living `usernet`.
  private var foreignProcess: Int32? {
    guard let bytes = try? Files.read(pidFile, limit: 64),
      let pid = Int32(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }),
      OtherProcess.isAlive(pid),
      OtherProcess.arguments(pid).dropFirst().contains("usernet")
    else { return nil }
    return pid
  }

  /// Names the process by which Lima takes the network for running.
  func publish(pid: Int32) throws(SystemError) {
    try Files.touch(outputLog, mode: 0o644)
    try Files.touch(errorLog, mode: 0o644)
    try Files.write(Array("\(pid)\n".utf8), to: pidFile, mode: 0o644)
  }

  /// Idempotent; a file that names another process stays.
  func withdraw(pid: Int32) {
    guard let bytes = try? Files.read(pidFile, limit: 64),
      String(decoding: bytes, as: UTF8.self).filter({ !$0.isWhitespace }) == "\(pid)"
    else { return }
    Files.remove(pidFile)
  }

  // MARK: Leases

  func readLeases(of subnet: IPv4Subnet?, gateway: String?) -> [String: String] {
    let bytes = (try? Files.read(leasesFile, limit: 1 << 20)) ?? []
    return LimaLeases.decode(bytes, of: subnet, gateway: gateway)
  }

  /// Unless the file says so already: a plugin may keep it itself, and know more.
  func keep(_ leases: [String: String]) throws(SystemError) {
    if let bytes = try? Files.read(leasesFile, limit: 1 << 20) {
      let there = LimaLeases.decode(bytes, of: nil, gateway: nil)
      if leases.allSatisfy({ there[$0.key] == $0.value }) { return }
    }
    try Files.write(LimaLeases.encode(leases), to: leasesFile, mode: 0o644)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// DaemonListeners: what makes a process the one that serves a Lima home: the lock on its pid file, and the two sockets of
// the daemon's own. Loop thread.

import HostProtocol
import LibC
import Logging
import Platform

final class DaemonListeners {
  let home: LimaHome
  private let loop: EventLoop
  private let log: Logger
  var lock: Int32 = -1
  /// The file that the lock is on.
  var lockFile: FileInfo?
  var control: ControlListener?
  var attach: AttachServer?

  init(home: LimaHome, loop: EventLoop, log: Logger) {
    self.home = home
    self.loop = loop
    self.log = log
  }

  /// - Parameter patience: nanoseconds for which a holder that is ending is waited for, which blocks the loop.
  /// - Throws: `ServeError.alreadyRunning`, or why there is no pid file.
  func takeLock(patience: UInt64 = 0) throws {
    let path = home.pidFile
    lock = try Self.openLock(home, patience: patience)
    lockFile = try? Files.info(path, followLinks: false)
    try Files.replace(lock, with: Array("\(CurrentProcess.id)\n".utf8))
  }

  /// Opens and locks the pid file of `home`. A process that was killed holds its lock until its descriptors are closed,
  /// which takes tenths of a second where interfaces go with them (a TAP's last descriptor): such a holder is waited
  /// for, one that runs is not.
  /// - Parameters:
  ///   - patience: how long at most, nanoseconds.
  ///   - isEnding: whether the process of this pid is being ended by the kernel.
  /// - Throws: `ServeError.alreadyRunning`, or why there is no pid file.
  static func openLock(
    _ home: LimaHome, patience: UInt64,
    isEnding: (Int32) -> Bool = OtherProcess.isEnding
  ) throws -> Int32 {
    let deadline = MonotonicClock.now() &+ patience
    while true {
      if let fd = try Files.openLocked(home.pidFile, mode: 0o600) { return fd }
      let text = (try? Files.read(home.pidFile, limit: 64)).map {
        String(decoding: $0, as: UTF8.self)
      }
      let pid = text?.filter(\.isNumber) ?? ""
      guard MonotonicClock.now() < deadline, let number = Int32(pid), isEnding(number) else {
        throw ServeError.alreadyRunning(home: home.path, pid: pid)
      }
      usleep(10_000)
    }
  }

  /// - Parameter network: throws what to tell a guest that names no network.
  func open(
    bridge: LoopBridge, servers: HTTPServers,
    network: @escaping (String) throws(ErrorReport) -> Network
  ) throws(SystemError) {
    attach = try AttachServer(path: home.attachSocket, loop: loop, log: log, network: network)
    control = try ControlListener(
      path: home.controlSocket, loop: loop, bridge: bridge, servers: servers, log: log)
  }

  /// Makes anew what somebody removed: the pid file with its lock, and the sockets.
  /// - Returns: what was, in words for the log; nil: all is as it was.
  /// - Throws: `ServeError.alreadyRunning`: another process has the home by now.
  func renew() throws -> String? {
    guard lock >= 0 else { return nil }
    try Files.makePrivateDirectory(home.networksDirectory)
    var renewed: [String] = []
    let there = try? Files.info(home.pidFile, followLinks: false)
    if there?.inode != lockFile?.inode || there?.device != lockFile?.device {
      let old = lock
      try takeLock()
      Descriptor.close(old)
      renewed.append(home.pidFile)
    }
    if try control?.renew() == true { renewed.append(home.controlSocket) }
    if try attach?.renew() == true { renewed.append(home.attachSocket) }
    return renewed.isEmpty
      ? nil : "\(renewed.joined(separator: ", ")): removed by somebody, and there again"
  }

  /// Idempotent.
  func close() {
    control?.close()
    control = nil
    attach?.close()
    attach = nil
  }

  /// Another process may serve the home. Idempotent.
  func releaseLock() {
    guard lock >= 0 else { return }
    Files.remove(home.pidFile, openAs: lock)
    Descriptor.close(lock)
    lock = -1
  }
}

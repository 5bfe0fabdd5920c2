// SPDX-License-Identifier: Apache-2.0
//
// UsernetFiles: the files of `limactl usernet` beside the sockets of a user-v2 network: the pid file, by which Lima decides
// that the network runs; the leases; the logs. With them an unmodified Lima uses this daemon's network and does not start
// its own.
//
// A pid file alone is not sufficient: its process may have ended, and its process id may have been reused. The process that
// answers at the sockets serves the network (checked by UnixSocket.listen); the pid file only shows one that is starting.
// UsernetKeeper has the process in this daemon's file. Loop thread.

import Platform

struct UsernetFiles: Sendable {
  let network: String
  let directory: String

  var pidFile: String { directory + "/usernet_\(network).pid" }
  var leasesFile: String { directory + "/leases.json" }
  private var outputLog: String { directory + "/usernet.\(network).stdout.log" }
  private var errorLog: String { directory + "/usernet.\(network).stderr.log" }

  /// Why another process has the network.
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

  /// Calls `body`, which binds the sockets, while Lima cannot start the network.
  func whileLocked(_ body: () throws -> Void) throws {
    guard let lock = try Files.lockDirectory(directory) else { throw Conflict.locked(directory) }
    defer { Descriptor.close(lock) }
    if let pid = foreignProcess { throw Conflict.starting(pid: pid, pidFile: pidFile) }
    try body()
  }

  /// Takes the lock under which Lima starts a network; closing the descriptor releases it. Nil if it is held.
  func lock() -> Int32? { (try? Files.lockDirectory(directory)) ?? nil }

  /// The process of the pid file, if it is a running `usernet`.
  private var foreignProcess: Int32? {
    guard let bytes = try? Files.read(pidFile, limit: 64, followLinks: false),
      let pid = Int32(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }),
      OtherProcess.isAlive(pid),
      OtherProcess.arguments(pid).dropFirst().contains("usernet")
    else { return nil }
    return pid
  }

  /// Writes the process by which Lima decides that the network runs.
  func publish(pid: Int32) throws(SystemError) {
    try Files.touch(outputLog, mode: 0o644)
    try Files.touch(errorLog, mode: 0o644)
    try Files.write(Array("\(pid)\n".utf8), to: pidFile, mode: 0o644)
  }

  /// Idempotent; a file with another process is kept.
  func withdraw(pid: Int32) {
    guard let bytes = try? Files.read(pidFile, limit: 64, followLinks: false),
      String(decoding: bytes, as: UTF8.self).filter({ !$0.isWhitespace }) == "\(pid)"
    else { return }
    Files.remove(pidFile)
  }

  // MARK: Leases

  func readLeases(of subnet: IPv4Subnet?, gateway: String?) -> [String: String] {
    let bytes = (try? Files.read(leasesFile, limit: 1 << 20, followLinks: false)) ?? []
    return LimaLeases.decode(bytes, of: subnet, gateway: gateway)
  }

  /// Not written if its contents are the same: a plugin may write the file itself, with more data.
  func keep(_ leases: [String: String]) throws(SystemError) {
    if let bytes = try? Files.read(leasesFile, limit: 1 << 20, followLinks: false) {
      let there = LimaLeases.decode(bytes, of: nil, gateway: nil)
      if leases.allSatisfy({ there[$0.key] == $0.value }) { return }
    }
    try Files.write(LimaLeases.encode(leases), to: leasesFile, mode: 0o644)
  }
}

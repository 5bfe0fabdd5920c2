// SPDX-License-Identifier: Apache-2.0
//
// StartedDaemon: the daemon that a command starts for a Lima home which nobody serves, because what was asked is to last:
// in the background, in a session of its own, until `lima-netd stop`. `exec`, `tap` and `dns query` have a PrivateDaemon
// instead. No thread is made: `attach` enters namespaces afterwards.

import Daemon
import LibC
import Platform

enum StartedDaemon {
  /// ns, as the daemon can use them.
  private static let patience: UInt64 = 10_000_000_000
  /// Bytes of what it says before it listens.
  private static let wordsLimit = 8 << 10

  /// Starts one unless the home is served, also by a process that nobody hears: what that is, its clients find out.
  /// - Throws: `CommandFailure`: by sudo nothing is started, since it would be root's; or what the daemon says.
  /// - Parameter socket: the one that the caller uses.
  static func require(_ home: LimaHome, at socket: String) throws {
    if try !isListening(home, [socket]), home.lockHolder == nil { try start(home) }
  }

  /// Returns when it listens. One that another process has started meanwhile is as good.
  private static func start(_ home: LimaHome) throws {
    let nobody = CommandFailure.daemonNotRunning(home.path)
    guard nobody.isForOwner else { throw nobody }
    let words = try Descriptor.pipe()
    defer { Descriptor.close(words.read) }
    try Descriptor.setNonBlocking(words.read)
    let pid = try spawn(home, output: words.write)
    var said: [UInt8] = []
    var patience = ChildPatience(limit: Self.patience, now: MonotonicClock.now())
    var nextLook = MonotonicClock.now() &+ ChildPatience.interval
    while true {
      if try isListening(home) {
        StandardError.print(
          "lima-netd: a daemon was started for \(home.path) (process \(pid)), and stays:  lima-netd stop"
            + HomeOptions.words(for: home))
        return
      }
      var chunk = [UInt8](repeating: 0, count: 4096)
      let count = Files.readSome(words.read, &chunk)
      if count > 0, said.count < wordsLimit { said += chunk.prefix(count) }
      if let status = try ChildProcess.poll(pid) {
        while case let count = Files.readSome(words.read, &chunk), count > 0,
          said.count < wordsLimit
        { said += chunk.prefix(count) }
        if try hasAnother(home) { return }
        throw failure(home, "\(status)", said)
      }
      if MonotonicClock.now() >= nextLook {
        if patience.isOver(pid) { break }
        nextLook = MonotonicClock.now() &+ ChildPatience.interval
      }
      usleep(2_000)
    }
    throw CommandFailure(
      "The daemon that was started for \(home.path) (process \(pid)) did not listen within \(patience.text)",
      remedy: "End it, and see what it says:  kill \(pid); lima-netd serve"
        + HomeOptions.words(for: home))
  }

  private static func spawn(_ home: LimaHome, output: Int32) throws -> Int32 {
    defer { Descriptor.close(output) }
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    return try ChildProcess.spawn(
      ChildProcess.ownPath(), ["serve", "--background", "--lima-home", home.path],
      fds: [(from: null, to: 0)], output: output)
  }

  private static func isListening(_ home: LimaHome) throws -> Bool {
    try isListening(home, [home.controlSocket, home.attachSocket])
  }

  private static func isListening(_ home: LimaHome, _ sockets: [String]) throws -> Bool {
    for path in sockets {
      do throws(SystemError) {
        Descriptor.close(try UnixSocket.connect(path: path, patience: 1_000))
      } catch {
        if error.errno == .noSuchFile || error.errno == .connectionRefused { return false }
        throw CommandFailure.daemonUnreachable(home, error.errno)
      }
    }
    return true
  }

  /// Another process serves the home, or is about to.
  private static func hasAnother(_ home: LimaHome) throws -> Bool {
    let deadline = MonotonicClock.now() &+ patience
    while home.lockHolder != nil, MonotonicClock.now() < deadline {
      if try isListening(home) { return true }
      usleep(10_000)
    }
    return try isListening(home)
  }

  private static func failure(_ home: LimaHome, _ end: String, _ said: [UInt8]) -> CommandFailure {
    let prefix = "Error: "
    let lines = String(decoding: said, as: UTF8.self).split(separator: "\n").map(String.init)
    guard let first = lines.firstIndex(where: { $0.hasPrefix(prefix) }) else {
      return CommandFailure(
        (["No daemon serves \(home.path), and one that was started \(end)"] + lines.suffix(5))
          .joined(separator: "\n"))
    }
    return CommandFailure(
      "No daemon serves \(home.path), and none could be started: "
        + lines[first].dropFirst(prefix.count),
      remedy: lines[(first + 1)...].isEmpty ? nil : lines[(first + 1)...].joined(separator: "\n"))
  }
}

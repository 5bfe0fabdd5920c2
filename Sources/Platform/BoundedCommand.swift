// SPDX-License-Identifier: Apache-2.0
//
// BoundedCommand: runs a program to its end, for at most so long, and keeps the first bytes of what it said. Its input is
// /dev/null. Blocks: for commands, never for a loop. A program that may not be killed (sudo is root's) is left to itself
// when its time is over, as is whatever it left behind that holds its output open.

package enum BoundedCommand {
  package struct Result: Sendable, Hashable {
    /// Nil: its time was over.
    package var status: ChildProcess.ExitStatus?
    /// Standard output.
    package var output: String
    /// Standard error.
    package var errors: String

    package init(status: ChildProcess.ExitStatus?, output: String, errors: String) {
      self.status = status
      self.output = output
      self.errors = errors
    }

    package var succeeded: Bool { status?.isSuccess == true }
  }

  /// - Parameters:
  ///   - path: absolute.
  ///   - environment: "NAME=value" each; nil: this process's own.
  ///   - seconds: it is ended after these, as it can use them (`ChildPatience`).
  ///   - limit: bytes kept of each of the two streams; more is read and dropped.
  ///   - wholeGroup: what it has started ends with it.
  package static func run(
    _ path: String, _ arguments: [String], environment: [String]? = nil, seconds: UInt64,
    limit: Int = 256 << 10, wholeGroup: Bool = false
  ) throws(SystemError) -> Result {
    let output = try Stream(limit: limit)
    let errors = try Stream(limit: limit)
    let pid: Int32
    do {
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      pid = try ChildProcess.spawn(
        path, arguments, environment: environment,
        fds: [(from: null, to: 0), (from: output.write, to: 1), (from: errors.write, to: 2)],
        newGroup: true)
    }
    output.closeWriteEnd()
    errors.closeWriteEnd()
    var patience = ChildPatience(limit: seconds &* 1_000_000_000, now: MonotonicClock.now())
    var nextLook = MonotonicClock.now() &+ ChildPatience.interval
    var status: ChildProcess.ExitStatus?
    while status == nil {
      if MonotonicClock.now() >= nextLook {
        if patience.isOver(pid) { break }
        nextLook = MonotonicClock.now() &+ ChildPatience.interval
      }
      _ = output.drain()
      _ = errors.drain()
      // The end of its output is no end of it, and the other way round.
      status = try ChildProcess.wait(pid, timeout: 5_000_000)
    }
    if status == nil {
      ChildProcess.kill(pid, 9)
      _ = try ChildProcess.wait(pid, timeout: 200_000_000)
    }
    if wholeGroup { ChildProcess.killGroup(of: pid) }
    while output.drain() {}
    while errors.drain() {}
    return Result(status: status, output: output.text, errors: errors.text)
  }

  private final class Stream {
    private let read: Int32
    private(set) var write: Int32
    private let limit: Int
    private var bytes: [UInt8] = []
    private var chunk = [UInt8](repeating: 0, count: 16384)
    /// Rounds of the last drain: somebody who goes on writing is not listened to for ever.
    private var rounds = 0

    init(limit: Int) throws(SystemError) {
      (read, write) = try Descriptor.pipe()
      self.limit = limit
      try Descriptor.setNonBlocking(read)
    }

    deinit {
      Descriptor.close(read)
      closeWriteEnd()
    }

    func closeWriteEnd() {
      if write >= 0 { Descriptor.close(write) }
      write = -1
    }

    /// Reads what is there now; false when nothing is, or when it is the end.
    func drain() -> Bool {
      rounds += 1
      guard rounds < 100_000 else { return false }
      let count = Files.readSome(read, &chunk)
      guard count > 0 else { return false }
      bytes += chunk[..<min(count, max(0, limit - bytes.count))]
      return true
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// BoundedCommand: runs a program with a time limit and keeps the first bytes of its output. Its input is /dev/null.
// Blocks: for commands, never for a loop's thread. A program that this process may not kill (sudo runs as root) is
// left running after the time limit, and so is a process that it started and that holds its output open.

package enum BoundedCommand {
  package struct Result: Sendable, Hashable {
    /// Nil: the time limit passed.
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
  ///   - seconds: the time limit, counted by `ChildPatience`; the program is killed after it.
  ///   - limit: bytes kept of each of the two streams; more is read and dropped.
  ///   - input: its standard input, which stays the caller's; nil: /dev/null.
  ///   - wholeGroup: kills the program's process group when it ends.
  package static func run(
    _ path: String, _ arguments: [String], environment: [String]? = nil, seconds: UInt64,
    limit: Int = 256 << 10, input: Int32? = nil, wholeGroup: Bool = false
  ) throws(SystemError) -> Result {
    let output = try Stream(limit: limit)
    let errors = try Stream(limit: limit)
    let pid: Int32
    do {
      let null = try Files.openNull()
      defer { Descriptor.close(null) }
      pid = try ChildProcess.spawn(
        path, arguments, environment: environment,
        fds: [
          (from: input ?? null, to: 0), (from: output.write, to: 1), (from: errors.write, to: 2),
        ],
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
      // The end of its output does not mean that it ended, nor the reverse.
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
    /// Reads of the final drain, bounded in case a process goes on writing.
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

    /// Reads what is available; false when nothing is, or at the end of the stream.
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

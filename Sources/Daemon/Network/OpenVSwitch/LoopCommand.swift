// SPDX-License-Identifier: Apache-2.0
//
// LoopCommand: one run of a program with the rights of this process, while the loop goes on: its input is /dev/null, the
// first bytes of what it says are kept, and it is ended when its time is over. Loop thread.

import Platform

final class LoopCommand {
  struct Outcome {
    /// Nil: its time was over.
    var status: ChildProcess.ExitStatus?
    /// Standard output and standard error.
    var said: String
  }

  private let loop: EventLoop
  private let pid: Int32
  private let output: Int32
  private let deadline: UInt64
  private var isLate = false
  private let answer: (Outcome) -> Void

  /// Bytes kept of what it says. A pipe holds more: a program that says no more than that never waits for us.
  private static let limit = 16 << 10
  private static let longestPause: UInt64 = 50_000_000

  /// Starts it. `answer` comes once, from the loop, after its end.
  /// - Parameters:
  ///   - words: the program's path, absolute, and its arguments.
  ///   - time: nanoseconds.
  static func run(
    _ words: [String], within time: UInt64, loop: EventLoop, _ answer: @escaping (Outcome) -> Void
  ) throws(SystemError) {
    let command = try LoopCommand(words, within: time, loop: loop, answer)
    command.look(pause: 1_000_000)
  }

  private init(
    _ words: [String], within time: UInt64, loop: EventLoop, _ answer: @escaping (Outcome) -> Void
  ) throws(SystemError) {
    self.loop = loop
    self.answer = answer
    deadline = MonotonicClock.now() &+ time
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.write) }
    do throws(SystemError) {
      try Descriptor.setNonBlocking(pipe.read)
      pid = try ChildProcess.spawn(
        words[0], Array(words.dropFirst()), fds: [(from: null, to: 0)], output: pipe.write,
        newGroup: true)
    } catch {
      Descriptor.close(pipe.read)
      throw error
    }
    output = pipe.read
  }

  /// Has it ended? The timer keeps this object.
  private func look(pause: UInt64) {
    let status: ChildProcess.ExitStatus?
    do throws(SystemError) {
      status = try ChildProcess.poll(pid)
    } catch {
      status = .exited(-1)
    }
    guard let status else {
      if !isLate, MonotonicClock.now() >= deadline {
        isLate = true
        ChildProcess.kill(pid, 9)
      }
      loop.schedule(after: pause) { self.look(pause: min(pause * 2, Self.longestPause)) }
      return
    }
    var said = [UInt8](repeating: 0, count: Self.limit)
    let length = max(0, Files.readSome(output, &said))
    Descriptor.close(output)
    answer(
      Outcome(
        status: isLate ? nil : status, said: String(decoding: said.prefix(length), as: UTF8.self)))
  }
}

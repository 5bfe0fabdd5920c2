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
  private var timer: EventLoop.TimerID?
  private var isLate = false
  private let outcome = Promise<Outcome, Never>()

  /// Bytes kept of what it says. A pipe holds more: a program that says no more than that never waits for us.
  private static let limit = 16 << 10

  /// Runs it to its end.
  /// - Parameters:
  ///   - words: the program's path, absolute, and its arguments.
  ///   - time: nanoseconds.
  ///   - input: its standard input, which stays the caller's; nil: /dev/null.
  static func run(
    _ words: [String], input: Int32? = nil, within time: UInt64, loop: EventLoop
  ) async throws(SystemError) -> Outcome {
    let command = try LoopCommand(words, input, loop: loop)
    command.watch(for: time)
    return await command.outcome.value()
  }

  private init(
    _ words: [String], _ input: Int32?, loop: EventLoop
  ) throws(SystemError) {
    self.loop = loop
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    let pipe = try Descriptor.pipe()
    defer { Descriptor.close(pipe.write) }
    do throws(SystemError) {
      try Descriptor.setNonBlocking(pipe.read)
      pid = try ChildProcess.spawn(
        words[0], Array(words.dropFirst()), fds: [(from: input ?? null, to: 0)], output: pipe.write,
        newGroup: true)
    } catch {
      Descriptor.close(pipe.read)
      throw error
    }
    output = pipe.read
  }

  /// The watch keeps this object.
  private func watch(for time: UInt64) {
    timer = loop.schedule(after: time) { [weak self] in
      guard let self else { return }
      timer = nil
      isLate = true
      ChildProcess.kill(pid, 9)
    }
    ChildWatch.begin(pid, on: loop) { [self] in ended($0) }
  }

  private func ended(_ status: ChildProcess.ExitStatus) {
    if let timer { loop.cancel(timer) }
    var said = [UInt8](repeating: 0, count: Self.limit)
    let length = max(0, Files.readSome(output, &said))
    Descriptor.close(output)
    outcome.keep(
      .success(
        Outcome(
          status: isLate ? nil : status, said: String(decoding: said.prefix(length), as: UTF8.self))
      ))
  }
}

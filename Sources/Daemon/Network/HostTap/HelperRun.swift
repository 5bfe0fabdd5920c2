// SPDX-License-Identifier: Apache-2.0
//
// HelperRun: one run of lima-netd-tap. Its standard input is a socket, by which a descriptor comes
// back; what it says on standard error is why none does. Loop thread.

import Platform

final class HelperRun {
  enum Outcome {
    /// The receiver's to close.
    case tap(Int32)
    case failed(ChildProcess.ExitStatus, String)
  }

  private let pid: Int32
  private let loop: EventLoop
  private let socket: Int32
  private let errors: Int32
  private var tap: Int32?
  private let outcome = Promise<Outcome, Never>()
  private var deadline: EventLoop.TimerID?
  /// Until the helper has ended.
  private var keptAlive: HelperRun?

  /// - Parameter isRoot: no sudo lies between: the helper gets an empty environment.
  init(_ words: [String], isRoot: Bool, loop: EventLoop) throws(SystemError) {
    self.loop = loop
    let (own, childs) = try UnixSocket.pair()
    defer { Descriptor.close(childs) }
    do throws(SystemError) {
      let pipe = try Descriptor.pipe()
      defer { Descriptor.close(pipe.write) }
      do throws(SystemError) {
        try Descriptor.setNonBlocking(own)
        try Descriptor.setNonBlocking(pipe.read)
        pid = try ChildProcess.spawn(
          words[0], Array(words.dropFirst()), environment: isRoot ? [] : nil,
          fds: [(from: childs, to: 0)], output: pipe.write, newGroup: false)
      } catch {
        Descriptor.close(pipe.read)
        throw error
      }
      errors = pipe.read
    } catch {
      Descriptor.close(own)
      throw error
    }
    socket = own
  }

  /// Once. The helper is ended after `time`, ns as it can use them. sudo is root's and may not be killed by us, and what it
  /// started may keep the socket open: neither is waited for then.
  func finish(within time: UInt64) async -> Outcome {
    keptAlive = self
    look(ChildPatience(limit: time, now: MonotonicClock.now()))
    do throws(SystemError) {
      try loop.add(socket, .read) { [weak self] _ in self?.ready() }
    } catch {
      ChildProcess.kill(pid, 9)
      collect()
    }
    return await outcome.value()
  }

  private func look(_ before: ChildPatience) {
    deadline = loop.schedule(after: ChildPatience.interval) { [weak self] in
      guard let self else { return }
      deadline = nil
      var patience = before
      guard patience.isOver(pid) else { return look(patience) }
      ChildProcess.kill(pid, 9)
      tell(.failed(.exited(-1), "it did not end within \(patience.text)"))
    }
  }

  private func ready() {
    switch DescriptorPassing.receive(socket) {
    case .descriptors(let fds):
      for fd in fds {
        if tap == nil { tap = fd } else { Descriptor.close(fd) }
      }
    // Lost: this process has no descriptor left; the end finds no TAP and says so.
    case .wouldBlock, .lost: break
    case .closed, .failed:
      loop.remove(socket)
      collect()
    }
  }

  /// The socket is closed by the end of the helper, and of sudo before it: not waited for.
  private func collect() {
    ChildWatch.begin(pid, on: loop) { [self] in ended($0) }
  }

  private func ended(_ status: ChildProcess.ExitStatus) {
    if let deadline { loop.cancel(deadline) }
    var said = [UInt8](repeating: 0, count: 4096)
    let length = Files.readSome(errors, &said)
    Descriptor.close(errors)
    Descriptor.close(socket)
    let outcome: Outcome
    if status.isSuccess, let tap {
      outcome = .tap(tap)
    } else {
      if let tap { Descriptor.close(tap) }
      outcome = .failed(status, String(decoding: said.prefix(max(0, length)), as: UTF8.self))
    }
    if self.outcome.isKept, case .tap(let late) = outcome { Descriptor.close(late) }
    tell(outcome)
    keptAlive = nil
  }

  /// The first counts.
  private func tell(_ outcome: Outcome) { self.outcome.keep(.success(outcome)) }
}

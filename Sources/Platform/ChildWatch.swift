// SPDX-License-Identifier: Apache-2.0
//
// ChildWatch: reports a child's end on the loop. On Linux by a pidfd (pidfd_open(2)), which becomes readable at the
// end; without one (macOS, a kernel before 5.3, no free descriptor) by polling at growing intervals. Loop thread.

package final class ChildWatch {
  private let pid: Int32
  private let loop: EventLoop
  private let answer: (ChildProcess.ExitStatus) -> Void

  /// Shortest polling interval without a pidfd, nanoseconds.
  private static let shortest: UInt64 = 500_000
  private static let longest: UInt64 = 50_000_000

  /// `answer` is called once, on the loop, after the child was waited for. No other code may wait for it.
  package static func begin(
    _ pid: Int32, on loop: EventLoop, _ answer: @escaping (ChildProcess.ExitStatus) -> Void
  ) {
    ChildWatch(pid, loop, answer).begin()
  }

  private init(
    _ pid: Int32, _ loop: EventLoop, _ answer: @escaping (ChildProcess.ExitStatus) -> Void
  ) {
    self.pid = pid
    self.loop = loop
    self.answer = answer
  }

  // The loop's callback keeps this object.
  private func begin() {
    #if os(Linux)
      guard let fd = try? ChildProcess.watch(pid) else { return look(pause: Self.shortest) }
      do throws(SystemError) {
        try loop.add(fd, .read) { _ in
          self.loop.remove(fd)
          Descriptor.close(fd)
          self.look(pause: Self.shortest)
        }
      } catch {
        Descriptor.close(fd)
        look(pause: Self.shortest)
      }
    #else
      look(pause: Self.shortest)
    #endif
  }

  private func look(pause: UInt64) {
    let status: ChildProcess.ExitStatus
    do throws(SystemError) {
      guard let ended = try ChildProcess.poll(pid) else {
        loop.schedule(after: pause) { self.look(pause: min(pause * 2, Self.longest)) }
        return
      }
      status = ended
    } catch {
      // ECHILD: other code has waited for it; the child has ended.
      status = .exited(-1)
    }
    answer(status)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// PortWait: waits until a guest accepts connections at a port, however long that is asked to take. Connects again and
// again; a connection that succeeds is closed at once.
// Loop thread, but for being made.

import HostProtocol
import Platform

final class PortWait: @unchecked Sendable {  // All but the constants is touched on the loop only.
  private let guest: String
  private let seconds: Int
  private var loop: EventLoop?
  private var answer: ((Bool) -> Void)?
  private var deadline: EventLoop.TimerID?
  private var cancelled = false

  private static let pause: UInt64 = 250_000_000

  /// - Parameter guest: "192.168.104.3:22"
  init(guest: String, seconds: Int) {
    self.guest = guest
    self.seconds = seconds
  }

  /// Answers once.
  func begin(on network: Network, answer: @escaping (Bool) -> Void) {
    guard !cancelled else { return answer(false) }
    self.answer = answer
    loop = network.core.loop
    deadline = loop?.schedule(after: UInt64(seconds) * 1_000_000_000) { [self] in finish(false) }
    attempt(network)
  }

  /// Nobody wants to know any more.
  func cancel() {
    cancelled = true
    finish(false)
  }

  private func attempt(_ network: Network) {
    guard answer != nil else { return }
    network.connect(to: guest) { [self] result in
      switch result {
      case .success(let fd):
        Descriptor.close(fd)
        finish(true)
      case .failure:
        guard answer != nil else { return }
        loop?.schedule(after: Self.pause) { [self, weak network] in
          if let network { attempt(network) } else { finish(false) }
        }
      }
    }
  }

  private func finish(_ isOpen: Bool) {
    guard let answer else { return }
    self.answer = nil
    if let deadline { loop?.cancel(deadline) }
    answer(isOpen)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// InterfaceWatch: tells, a moment after it, that some interface or address of the host has changed. Changes come in
// groups: a bridge that is made gets its ports, its address and its carrier one after the other. Where there is nothing
// to watch with, who waits for one asks again by itself. Loop thread.

import Platform

final class InterfaceWatch {
  private let loop: EventLoop
  private let onChange: () -> Void
  private var watch: AddressWatch?
  private var timer: EventLoop.TimerID?

  private static let settling: UInt64 = 50_000_000

  init(loop: EventLoop, onChange: @escaping () -> Void) {
    self.loop = loop
    self.onChange = onChange
    watch = try? AddressWatch(loop: loop, links: true) { [weak self] in self?.soon() }
  }

  deinit { close() }

  /// Idempotent.
  func close() {
    watch?.close()
    watch = nil
    if let timer { loop.cancel(timer) }
    timer = nil
  }

  /// However many changes follow: the first one is told in time.
  private func soon() {
    guard timer == nil else { return }
    timer = loop.schedule(after: Self.settling) { [weak self] in
      guard let self else { return }
      timer = nil
      onChange()
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// ForwardRetry: when forwards that cannot be at present are tried again: after 1 s, then at intervals that double up to
// 10 s, for nobody tells when a port is free; and at once when an address of the host has come or gone. Rests while
// nothing waits. Loop thread.

import Platform

final class ForwardRetry {
  private let loop: EventLoop
  private let onDue: () -> Void
  private var timer: EventLoop.TimerID?
  private var interval = ForwardRetry.first
  private var addresses: AddressWatch?

  private static let first: UInt64 = 1_000_000_000
  private static let longest: UInt64 = 10_000_000_000
  /// Addresses come in groups, and an IPv6 one is usable a moment later.
  private static let settling: UInt64 = 50_000_000

  init(loop: EventLoop, onDue: @escaping () -> Void) {
    self.loop = loop
    self.onDue = onDue
  }

  /// Something waits, from now on.
  func begin() {
    if addresses == nil {
      addresses = try? AddressWatch(loop: loop) { [weak self] in self?.soon() }
    }
    interval = Self.first
    arm(after: interval)
  }

  /// Something waits still.
  func goOn() {
    guard timer == nil else { return }
    interval = min(interval * 2, Self.longest)
    arm(after: interval)
  }

  /// What was in the way may have gone.
  func soon() {
    guard addresses != nil else { return }
    interval = Self.first
    arm(after: Self.settling)
  }

  /// Nothing waits.
  func rest() {
    if let timer { loop.cancel(timer) }
    timer = nil
    addresses?.close()
    addresses = nil
  }

  private func arm(after delay: UInt64) {
    if let timer { loop.cancel(timer) }
    timer = loop.schedule(after: delay) { [weak self] in
      self?.timer = nil
      self?.onDue()
    }
  }
}

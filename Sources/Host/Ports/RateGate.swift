// SPDX-License-Identifier: Apache-2.0
//
// How much may pass a link in one direction: bytes and packets in a second, each a token bucket. What passes may go into debt
// by the last frame, so that a frame of 64 KiB passes a bucket of any size, and the sum is right all the same.
//
// A bucket is one point in time (GCRA, ITU-T I.371): up to when what has passed is paid for. A value; time is passed in, ns.
// Thread: loop only. Divisions are per batch, not per frame.

import HostProtocol
import PluginAPI

struct RateGate: Equatable {
  private var bytes = Meter()
  private var packets = Meter()
  /// Whether there is any limit.
  private(set) var isActive = false

  init() {}

  /// - Parameter leastPackets: pass at once whatever the rate.
  init(_ rate: LinkLimits.Rate, leastPackets: UInt64 = 32) {
    // The burst holds a GSO frame of 64 KiB, or as many small frames, so that they pass without a delay.
    bytes = Meter(rate: rate.bytesPerSecond, least: 64 << 10)
    packets = Meter(rate: rate.packetsPerSecond, least: leastPackets)
    isActive = bytes.rate != 0 || packets.rate != 0
  }

  /// Bytes per second; 0: any number.
  var bytesPerSecond: UInt64 { bytes.rate }

  mutating func charge(bytes count: Int, packets number: Int, now: UInt64) {
    bytes.charge(UInt64(clamping: count), now)
    packets.charge(UInt64(clamping: number), now)
  }

  /// Bytes and packets that may pass now, before the one that goes into debt: 0 when closed.
  func left(now: UInt64) -> (bytes: Int, packets: Int) {
    let (b, p) = (bytes.left(now), packets.left(now))
    return b > 0 && p > 0 ? (b, p) : (0, 0)
  }

  /// Whether it is worth while to go on: a byte that may pass after some microseconds is not.
  func isOpen(now: UInt64) -> Bool { now >= opensAt }

  /// When it is worth while to go on.
  var opensAt: UInt64 { max(bytes.opensAt, packets.opensAt) }

  private struct Meter: Equatable {
    /// In a second; 0: no limit.
    var rate: UInt64 = 0
    /// Nanoseconds' worth that may pass at once.
    var burst: UInt64 = 0
    /// The time up to which the rate covers what has passed.
    var paid: UInt64 = 0

    private static let second: UInt64 = 1_000_000_000
    /// Minimum burst, as nanoseconds of the rate: a loop that was not scheduled for some time can catch up.
    private static let shortest: UInt64 = 100_000_000
    /// Minimum delay of a wake-up, nanoseconds: a shorter one would cost more than it gains.
    private static let wakeUp: UInt64 = 10_000_000

    init() {}

    /// - Parameter least: may pass at once whatever the rate.
    init(rate: UInt64, least: UInt64) {
      // Below, no product overflows.
      self.rate = min(rate, 1 << 40)
      if rate > 0 { burst = max(Self.shortest, min(least, 1 << 24) * Self.second / self.rate) }
    }

    @inline(__always)
    mutating func charge(_ count: UInt64, _ now: UInt64) {
      guard rate > 0 else { return }
      paid = max(paid, now) &+ min(count, 1 << 33) &* Self.second / rate
    }

    func left(_ now: UInt64) -> Int {
      guard rate > 0 else { return .max }
      guard paid < now &+ burst else { return 0 }
      let time = min(now &+ burst &- max(paid, now), burst)
      let (high, low) = time.multipliedFullWidth(by: rate)
      return Int(clamping: Self.second.dividingFullWidth((high, low)).quotient)
    }

    var opensAt: UInt64 {
      let ahead = burst &- min(burst / 2, Self.wakeUp)
      return rate == 0 || paid < ahead ? 0 : paid &- ahead
    }
  }
}

extension lnd_frame {
  /// Packets that it is on the wire.
  @inline(__always) var packets: Int {
    gso_size == 0 ? 1 : max(1, (Int(length) &+ Int(gso_size) &- 1) / Int(gso_size))
  }
}

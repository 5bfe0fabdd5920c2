// SPDX-License-Identifier: Apache-2.0
//
// A sender behind a queue of fixed length, in virtual time, to measure a congestion control.

@testable import NetStack

/// A simulated path. Segments have one size, times are in nanoseconds.
struct Bottleneck {
  static let segment: UInt32 = 1448
  /// Transmission time of a segment; the round trip without a queue; capacity of the queue, segments.
  var service: UInt64
  var roundTrip: UInt64
  var queue: Int

  struct Result {
    /// Used part of the link's capacity, per mille.
    var carried: Int
    /// Mean length of the queue, segments.
    var waiting: Int
    /// Lost part of the segments sent, per mille.
    var lost: Int
  }

  /// Runs for `duration` after a first loss, at which the queue has just overflowed.
  func run<Control: CongestionControl>(_ type: Control.Type, for duration: UInt64) -> Result {
    var control = Control()
    var path = CongestionPath(
      segmentSize: Self.segment, buffer: Control.unlimited - 1, roundTrip: UInt32(roundTrip / 1000))
    let full = UInt32(roundTrip / service) + UInt32(queue)
    path.now = 1_000_000_000
    control.congested(flight: full * Self.segment, path)

    // ACKs in flight: arrival time, and whether it reveals a loss. Both ordered by time.
    var acks: [(at: UInt64, number: Int)] = []
    var head = 0
    var flight = 0
    var sent = 0
    var lost = 0
    var delivered = 0
    var waiting = 0
    /// Sequence numbers lost and not detected yet, in order.
    var missing: [Int] = []
    var noticed = 0
    var recovery = -1
    var free = path.now
    let end = path.now + duration
    while path.now < end {
      while UInt32(flight + 1) * Self.segment <= control.window {
        let length = free > path.now ? Int((free - path.now) / service) : 0
        sent += 1
        flight += 1
        if length >= queue {
          lost += 1
          missing.append(sent)
        } else {
          waiting += length
          free = max(free, path.now) + service
          acks.append((free + roundTrip, sent))
        }
        if length >= queue { break }
      }
      guard head < acks.count else { break }
      let ack = acks[head]
      head += 1
      path.now = ack.at
      path.roundTrip = UInt32(roundTrip / 1000)
      flight -= 1
      delivered += 1
      while noticed < missing.count, missing[noticed] < ack.number {
        flight -= 1
        if missing[noticed] > recovery {
          control.congested(flight: UInt32(flight + 2) * Self.segment, path)
          recovery = sent
        }
        noticed += 1
      }
      if ack.number > recovery {
        control.acknowledged(Self.segment, isAfterTimeout: false, path)
      }
    }
    return Result(
      carried: Int(UInt64(delivered) * service * 1000 / duration), waiting: waiting / max(1, sent),
      lost: lost * 1000 / max(1, sent))
  }
}

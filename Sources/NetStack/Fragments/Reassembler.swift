// SPDX-License-Identifier: Apache-2.0
//
// Puts the fragments of a guest together (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2; RFC 8200 §4.5).
//
// Bounded whatever guests send: so many datagrams, so many bytes, 30 s each (of IPv6 60 s), and fewer bytes than
// are free of those of all guests together (FragmentBudget); when there is no room the guest's own
// oldest goes.
// A datagram with overlapping fragments is dropped, and so is the rest of it that is still to
// come (RFC 5722 §4; an exact duplicate is not an overlap, RFC 8200 §4.5). Family-neutral but
// for the header that a complete datagram gets.
//
// Loop thread. Time is passed in; the owner asks for `nextDeadline`.

import Wire

/// Memory of the unfinished datagrams of all guests of a stack.
package final class FragmentBudget {
  package let limit: Int
  package fileprivate(set) var used = 0

  /// - Parameter limit: bytes.
  package init(limit: Int = 32 << 20) { self.limit = limit }
}

package final class Reassembler {
  package struct Limits: Sendable {
    package var datagrams = 32
    /// Memory of unfinished datagrams.
    package var bytes = 1 << 20
    /// Nanoseconds from the first fragment to arrive, of IPv4 and of IPv6.
    package var lifetime: UInt64 = 30_000_000_000
    package var lifetimeV6: UInt64 = 60_000_000_000

    package init() {}
  }

  package enum Outcome {
    /// Kept; nothing to do.
    case incomplete
    /// An IP packet, whole, its header's checksum right. Valid until `releaseDelivered`.
    case complete(ByteView)
    /// Not used: malformed, overlapping, or a piece of a datagram that was given up.
    case refused
  }

  /// A datagram whose time is over.
  package struct Expired {
    /// Its first fragment with its header, of IPv4 as it came; of IPv6 the fragment header is not in it.
    package let firstFragment: ByteView
    package let identification: UInt32
    package let sourceMAC: MACAddress
  }

  private struct Datagram: BitwiseCopyable {
    var key: Fragment.Key
    var deadline: UInt64
    var buffer: DatagramBuffer
    /// Refused: what comes of it is thrown away until the deadline.
    var isPoisoned = false
    /// Payload bytes in all; nil until the last fragment is here.
    var length: Int?
    /// The highest end that was seen.
    var reach = 0
    /// Bytes of the first fragment's headers in front of the payload, and of its payload.
    var headerLength = 0
    var firstLength = 0
    var sourceMAC: MACAddress
  }

  private let limits: Limits
  private let budget: FragmentBudget
  /// In order of arrival, so the first is the oldest.
  private var datagrams: [Datagram] = []
  private var delivered: [DatagramBuffer] = []
  private var byteCount = 0 {
    didSet { budget.used += byteCount - oldValue }
  }

  /// - Parameter budget: shared with other guests.
  package init(limits: Limits = Limits(), budget: FragmentBudget = FragmentBudget()) {
    self.limits = limits
    self.budget = budget
    datagrams.reserveCapacity(limits.datagrams)
  }

  deinit {
    for datagram in datagrams { datagram.buffer.deallocate() }
    budget.used -= byteCount
    releaseDelivered()
  }

  /// Unfinished datagrams and the memory they take.
  package var pending: (datagrams: Int, bytes: Int) { (datagrams.count, byteCount) }

  /// When `expire` has something to do; nil while there is nothing.
  package var nextDeadline: UInt64? { datagrams.lazy.map(\.deadline).min() }

  /// Takes a fragment. What is overdue must have been expired before.
  package func add(_ fragment: Fragment, now: UInt64) -> Outcome {
    guard fragment.isSane else { return .refused }
    guard let index = slot(for: fragment, now: now) else { return .refused }
    if datagrams[index].isPoisoned { return .refused }
    switch datagrams[index].buffer.overlap(fragment.payload, at: fragment.offset) {
    case .partial: return poison(index)
    case .duplicate: return fits(fragment, index) ? .incomplete : poison(index)
    case .none:
      guard fits(fragment, index), reserve(fragment.end, index) else { return poison(index) }
    }
    // The slot has moved if others were dropped for its sake.
    guard let index = find(fragment.key) else { return .refused }
    insert(fragment, index)
    guard let length = datagrams[index].length, datagrams[index].buffer.isComplete(length) else {
      return .incomplete
    }
    return complete(index, length)
  }

  /// Drops what is overdue. RFC 1122 §3.3.2 wants a time-exceeded error for each datagram
  /// of which the first fragment came, and `notify` is called for those; the view is
  /// valid in the call only.
  package func expire(now: UInt64, _ notify: (Expired) -> Void) {
    while let index = datagrams.firstIndex(where: { $0.deadline <= now }) {
      let oldest = datagrams[index]
      if oldest.headerLength > 0, !oldest.isPoisoned {
        let packet = oldest.buffer.packet(
          headerLength: oldest.headerLength, payloadCount: oldest.firstLength)
        notify(
          Expired(
            firstFragment: packet.view, identification: oldest.key.identification,
            sourceMAC: oldest.sourceMAC))
      }
      drop(index)
    }
  }

  /// Frees the packets that were delivered. Called when nothing points into them any more:
  /// at the end of the iteration.
  @inline(__always)
  package func releaseDelivered() {
    guard !delivered.isEmpty else { return }
    for buffer in delivered { buffer.deallocate() }
    delivered.removeAll(keepingCapacity: true)
  }

  /// Gives up the datagram that began first; false when there is none.
  func dropOldest() -> Bool {
    guard !datagrams.isEmpty else { return false }
    drop(0)
    return true
  }

  // MARK: - Slots

  private func find(_ key: Fragment.Key) -> Int? { datagrams.firstIndex { $0.key == key } }

  /// The fragment's datagram, new if need be.
  private func slot(for fragment: Fragment, now: UInt64) -> Int? {
    if let index = find(fragment.key) { return index }
    let bytes = DatagramBuffer.byteCount(for: fragment.end)
    guard bytes <= limits.bytes, limits.datagrams > 0 else { return nil }
    while datagrams.count >= limits.datagrams || !hasRoom(bytes) {
      // Others' are not this guest's to drop.
      guard !datagrams.isEmpty else { return nil }
      drop(0)
    }
    datagrams.append(
      Datagram(
        key: fragment.key,
        deadline: now &+ (fragment.isV4 ? limits.lifetime : limits.lifetimeV6),
        buffer: DatagramBuffer(capacity: fragment.end), sourceMAC: fragment.sourceMAC))
    byteCount += bytes
    return datagrams.count - 1
  }

  /// Makes room up to `end`, older datagrams giving way. False if there is none.
  private func reserve(_ end: Int, _ index: Int) -> Bool {
    let old = datagrams[index].buffer.byteCount
    let new = max(old, DatagramBuffer.byteCount(for: end))
    // All the room that dropping this guest's others could make.
    guard new <= limits.bytes, new <= budget.limit - (budget.used - byteCount) - old else {
      return false
    }
    var index = index
    while !hasRoom(new - old) {
      let victim = index == 0 ? 1 : 0
      drop(victim)
      if victim < index { index -= 1 }
    }
    datagrams[index].buffer.grow(to: end)
    byteCount += new - old
    return true
  }

  private func hasRoom(_ bytes: Int) -> Bool {
    byteCount + bytes <= min(limits.bytes, budget.limit - budget.used)
  }

  private func drop(_ index: Int) {
    let datagram = datagrams.remove(at: index)
    byteCount -= datagram.buffer.byteCount
    datagram.buffer.deallocate()
  }

  /// Gives the datagram up, and remembers that until its time is over.
  private func poison(_ index: Int) -> Outcome {
    var datagram = datagrams[index]
    byteCount -= datagram.buffer.byteCount
    datagram.buffer.deallocate()
    datagram.buffer = DatagramBuffer(capacity: 0)
    datagram.isPoisoned = true
    byteCount += datagram.buffer.byteCount
    datagrams[index] = datagram
    return .refused
  }

  // MARK: - Contents

  /// Whether the fragment agrees with what is known of the datagram's end.
  private func fits(_ fragment: Fragment, _ index: Int) -> Bool {
    if let length = datagrams[index].length {
      return fragment.moreFragments ? fragment.end <= length : fragment.end == length
    }
    return fragment.moreFragments || fragment.end >= datagrams[index].reach
  }

  private func insert(_ fragment: Fragment, _ index: Int) {
    datagrams[index].buffer.insert(fragment.payload, at: fragment.offset)
    datagrams[index].reach = max(datagrams[index].reach, fragment.end)
    if !fragment.moreFragments { datagrams[index].length = fragment.end }
    guard fragment.offset == 0 else { return }
    let header = fragment.header
    datagrams[index].headerLength = header.count
    datagrams[index].firstLength = fragment.payload.count
    datagrams[index].sourceMAC = fragment.sourceMAC
    let place = datagrams[index].buffer.packet(headerLength: header.count, payloadCount: 0)
    place.store(header, at: 0)
    if !fragment.isV4 { place.store(fragment.protocolNumber, at: IPv6Field.nextHeader) }
  }

  private func complete(_ index: Int, _ length: Int) -> Outcome {
    let datagram = datagrams.remove(at: index)
    byteCount -= datagram.buffer.byteCount
    delivered.append(datagram.buffer)
    let packet = datagram.buffer.packet(
      headerLength: datagram.headerLength, payloadCount: length)
    guard datagram.key.source.isV4 else {
      packet.store(UInt16(truncatingIfNeeded: length), at: IPv6Field.payloadLength)
      return .complete(packet.view)
    }
    // Options may make it longer than a packet can be.
    guard IPv4Packet.makeWhole(packet, headerLength: datagram.headerLength) else {
      return .refused
    }
    return .complete(packet.view)
  }
}

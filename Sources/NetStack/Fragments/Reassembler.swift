// SPDX-License-Identifier: Apache-2.0
//
// Reassembles the fragments of a guest (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2; RFC 8200 §4.5).
//
// Bounded for any input: a maximum of datagrams and bytes, 30 s per datagram (IPv6: 60 s), and fewer bytes than are
// free of those of all guests together (FragmentBudget); without room the guest's own oldest datagram is dropped. A
// datagram with overlapping fragments is dropped, and so are its later fragments (RFC 5722 §4; an exact duplicate is
// not an overlap, RFC 8200 §4.5). Independent of the family except for the header of a complete datagram.
//
// Loop thread. Time is an argument; the owner uses `nextDeadline`.

import Wire

/// Memory of the incomplete datagrams of all guests of a stack.
package final class FragmentBudget {
  package let limit: Int
  package fileprivate(set) var used = 0

  /// - Parameter limit: bytes.
  package init(limit: Int = 32 << 20) { self.limit = limit }
}

package final class Reassembler {
  package struct Limits: Sendable {
    package var datagrams = 32
    /// Maximum bytes of incomplete datagrams.
    package var bytes = 1 << 20
    /// Nanoseconds from the first received fragment, for IPv4 and for IPv6.
    package var lifetime: UInt64 = 30_000_000_000
    package var lifetimeV6: UInt64 = 60_000_000_000

    package init() {}
  }

  package enum Outcome {
    /// Stored; nothing to do.
    case incomplete
    /// A complete IP packet with a valid header checksum. Valid until `releaseDelivered`.
    case complete(ByteView)
    /// Dropped: malformed, overlapping, or of a datagram that was dropped.
    case refused
  }

  /// A datagram whose lifetime has passed.
  package struct Expired {
    /// Its first fragment with its header, for IPv4 as received; for IPv6 without the fragment header.
    package let firstFragment: ByteView
    package let identification: UInt32
    package let sourceMAC: MACAddress
  }

  private struct Datagram: BitwiseCopyable {
    var key: Fragment.Key
    var deadline: UInt64
    var buffer: DatagramBuffer
    /// Refused: its further fragments are dropped until the deadline.
    var isPoisoned = false
    /// Total payload bytes; nil until the last fragment was received.
    var length: Int?
    /// The highest end offset seen.
    var reach = 0
    /// Bytes of the first fragment's headers in front of the payload, and of its payload.
    var headerLength = 0
    var firstLength = 0
    var sourceMAC: MACAddress
  }

  private let limits: Limits
  private let budget: FragmentBudget
  /// In order of arrival: the first is the oldest.
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

  /// Number of incomplete datagrams and their memory.
  package var pending: (datagrams: Int, bytes: Int) { (datagrams.count, byteCount) }

  /// When `expire` must be called; nil: never.
  package var nextDeadline: UInt64? { datagrams.lazy.map(\.deadline).min() }

  /// Adds a fragment. Precondition: overdue datagrams have been expired.
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
    // The index changes if others were dropped to make room.
    guard let index = find(fragment.key) else { return .refused }
    insert(fragment, index)
    guard let length = datagrams[index].length, datagrams[index].buffer.isComplete(length) else {
      return .incomplete
    }
    return complete(index, length)
  }

  /// Drops overdue datagrams. For those whose first fragment was received `notify` is called, because RFC 1122 §3.3.2
  /// requires a time-exceeded error; the view is valid in the call only.
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

  /// Frees the delivered packets. Called at the end of the iteration, when nothing refers to them any more.
  @inline(__always)
  package func releaseDelivered() {
    guard !delivered.isEmpty else { return }
    for buffer in delivered { buffer.deallocate() }
    delivered.removeAll(keepingCapacity: true)
  }

  /// Drops the oldest datagram; false when there is none.
  func dropOldest() -> Bool {
    guard !datagrams.isEmpty else { return false }
    drop(0)
    return true
  }

  // MARK: - Slots

  private func find(_ key: Fragment.Key) -> Int? { datagrams.firstIndex { $0.key == key } }

  /// The fragment's datagram, created if necessary.
  private func slot(for fragment: Fragment, now: UInt64) -> Int? {
    if let index = find(fragment.key) { return index }
    let bytes = DatagramBuffer.byteCount(for: fragment.end)
    guard bytes <= limits.bytes, limits.datagrams > 0 else { return nil }
    while datagrams.count >= limits.datagrams || !hasRoom(bytes) {
      // Datagrams of other guests are not dropped.
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

  /// Makes room up to `end`, dropping older datagrams. False if there is none.
  private func reserve(_ end: Int, _ index: Int) -> Bool {
    let old = datagrams[index].buffer.byteCount
    let new = max(old, DatagramBuffer.byteCount(for: end))
    // The maximum room that dropping this guest's other datagrams could make.
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

  /// Drops the datagram's data, and its further fragments until its deadline.
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

  /// Whether the fragment is consistent with the datagram's known end.
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
    // With options the datagram may exceed the maximum packet length.
    guard IPv4Packet.makeWhole(packet, headerLength: datagram.headerLength) else {
      return .refused
    }
    return .complete(packet.view)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The memory of one datagram during reassembly: room for the headers, the payload, and a bitmap of the received
// blocks. With the bitmap, order of arrival, overlaps and holes cost a few bit operations; there is no list that a
// guest could make long (RFC 815 keeps holes in a list).

import Wire

struct DatagramBuffer: BitwiseCopyable {
  /// Room for an IPv4 header with options, or an IPv6 header, in front of the payload.
  static let headerRoom = 64
  private static let blocks = 8192
  private static let mapBytes = blocks / 8

  private var memory: UnsafeMutableRawPointer
  /// Payload bytes that fit.
  private(set) var capacity: Int
  private var receivedBlocks = 0

  /// Bytes allocated.
  var byteCount: Int { DatagramBuffer.mapBytes + DatagramBuffer.headerRoom + capacity }

  /// - Parameter capacity: payload bytes that must fit; it is rounded up.
  init(capacity: Int) {
    self.capacity = DatagramBuffer.rounded(capacity)
    memory = DatagramBuffer.allocate(self.capacity)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: DatagramBuffer.mapBytes)
  }

  func deallocate() { memory.deallocate() }

  /// Bytes allocated for a buffer for `payload` bytes.
  static func byteCount(for payload: Int) -> Int { mapBytes + headerRoom + rounded(payload) }

  /// The next power of two from 4 KiB, because copying a growing datagram for each fragment would be quadratic.
  private static func rounded(_ capacity: Int) -> Int {
    var rounded = 4096
    while rounded < capacity { rounded &*= 2 }
    return rounded
  }

  private static func allocate(_ capacity: Int) -> UnsafeMutableRawPointer {
    .allocate(byteCount: mapBytes + headerRoom + capacity, alignment: 16)
  }

  /// Makes room for `payload` bytes in total.
  mutating func grow(to payload: Int) {
    guard payload > capacity else { return }
    let room = DatagramBuffer.rounded(payload)
    let larger = DatagramBuffer.allocate(room)
    larger.copyMemory(from: memory, byteCount: byteCount)
    memory.deallocate()
    memory = larger
    capacity = room
  }

  private var payload: UnsafeMutableRawPointer {
    memory + DatagramBuffer.mapBytes + DatagramBuffer.headerRoom
  }

  /// `count` payload bytes with `headerLength` bytes in front of them.
  func packet(headerLength: Int, payloadCount count: Int) -> MutableByteView {
    assert(headerLength <= DatagramBuffer.headerRoom && count <= capacity)
    return MutableByteView(payload - headerLength, count: headerLength &+ count)
  }

  // MARK: Blocks

  enum Overlap {
    case none, partial
    /// All of it was received already, byte for byte.
    case duplicate
  }

  /// How bytes for `offset` overlap those received.
  func overlap(_ bytes: ByteView, at offset: Int) -> Overlap {
    let known = count(blocks: bytes.count, at: offset)
    guard known > 0 else { return .none }
    guard known == (bytes.count &+ 7) >> 3 else { return .partial }
    let stored = ByteView(payload + offset, count: bytes.count)
    return stored.buffer.elementsEqual(bytes.buffer) ? .duplicate : .partial
  }

  /// Stores bytes. Precondition: no overlap, and the memory is large enough.
  mutating func insert(_ bytes: ByteView, at offset: Int) {
    assert(offset &+ bytes.count <= capacity)
    (payload + offset).copyMemory(from: bytes.base, byteCount: bytes.count)
    forEachWord(blocks: bytes.count, at: offset) { word, mask in
      memory.storeBytes(
        of: memory.load(fromByteOffset: word, as: UInt64.self) | mask, toByteOffset: word,
        as: UInt64.self)
    }
    receivedBlocks &+= (bytes.count &+ 7) >> 3
  }

  /// Whether all blocks of a datagram of `length` bytes were received.
  func isComplete(_ length: Int) -> Bool { receivedBlocks == (length &+ 7) >> 3 }

  /// Number of received blocks among those that `count` bytes from `offset` touch.
  private func count(blocks count: Int, at offset: Int) -> Int {
    var known = 0
    forEachWord(blocks: count, at: offset) { word, mask in
      known &+= (memory.load(fromByteOffset: word, as: UInt64.self) & mask).nonzeroBitCount
    }
    return known
  }

  /// Calls `body` with the index of each word of the bitmap that the blocks touch, and their bits.
  @inline(__always)
  private func forEachWord(
    blocks count: Int, at offset: Int, _ body: (_ byteOffset: Int, _ mask: UInt64) -> Void
  ) {
    var block = offset >> 3
    let end = (offset &+ count &+ 7) >> 3
    assert(end <= DatagramBuffer.blocks)
    while block < end {
      let first = block & 63
      let bits = min(64 &- first, end &- block)
      // Smart shift: 64 bits are all.
      let mask = ~(~UInt64(0) << bits) &<< UInt64(first)
      body((block >> 6) &* 8, mask)
      block &+= bits
    }
  }
}

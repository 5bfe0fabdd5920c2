// SPDX-License-Identifier: Apache-2.0
//
// The Internet checksum (RFC 1071): the ones' complement sum of 16-bit words.
//
// The sum is kept in the machine's byte order, which RFC 1071 §2(B) allows, and
// swapped once at the end. Headers are summed here, in a plain wrapping loop that the
// compiler turns into vector code; payloads in CPlatform, which picks AVX2 at run time
// and is two to three times as fast from a few hundred bytes on.

import CPlatform

/// A checksum being computed: add the pieces in order, then take `value`.
public struct Checksum: Sendable, BitwiseCopyable {
  /// Unfolded sum of 16-bit words in the machine's byte order.
  @usableFromInline var sum: UInt64
  /// Whether an odd number of bytes has been added: the next byte is the second of a word.
  @usableFromInline var isOdd: Bool

  @inlinable @inline(__always)
  public init() {
    sum = 0
    isOdd = false
  }

  /// Starts with a pseudo header. One formula for both families: the sum of IPv4
  /// (RFC 9293 §3.1) and of IPv6 (RFC 8200 §8.1) differ in the address bytes only.
  /// - Parameter length: bytes of transport header and payload.
  @inlinable @inline(__always)
  public init(
    source: IPAddress, destination: IPAddress, protocolNumber: UInt8, length: Int
  ) {
    self.init()
    add(source)
    add(destination)
    add(UInt16(protocolNumber))
    add(UInt32(truncatingIfNeeded: length))
  }

  @inlinable @inline(__always)
  public mutating func add(_ word: UInt16) {
    assert(!isOdd)
    sum &+= UInt64(word.bigEndian)
  }

  @inlinable @inline(__always)
  public mutating func add(_ words: UInt32) {
    assert(!isOdd)
    sum &+= UInt64(words.bigEndian)
  }

  @inlinable @inline(__always)
  public mutating func add(_ address: IPAddress) {
    if address.isV4 {
      add(address.v4)
    } else {
      add(UInt32(truncatingIfNeeded: address.high >> 32))
      add(UInt32(truncatingIfNeeded: address.high))
      add(UInt32(truncatingIfNeeded: address.low >> 32))
      add(UInt32(truncatingIfNeeded: address.low))
    }
  }

  /// Adds bytes that follow those added before; their number may be odd.
  @inlinable @inline(__always)
  public mutating func add(_ bytes: ByteView) {
    let partial = Checksum.sum(bytes)
    // At an odd offset every byte is in the other half of its word (RFC 1071 §2(B)).
    sum &+= isOdd ? UInt64(Checksum.fold(partial).byteSwapped) : partial
    isOdd = isOdd != (bytes.count & 1 != 0)
  }

  /// Adds a sum computed elsewhere over the next `length` bytes.
  @inlinable @inline(__always)
  public mutating func add(_ other: Checksum, length: Int) {
    let partial = Checksum.fold(other.sum)
    sum &+= UInt64(isOdd ? partial.byteSwapped : partial)
    isOdd = isOdd != (length & 1 != 0)
  }

  /// The folded sum, not complemented: the checksum field of a frame whose checksum the link completes (checksum
  /// offload) holds this value of its pseudo header.
  @inlinable @inline(__always)
  public var folded: UInt16 { UInt16(bigEndian: Checksum.fold(sum)) }

  /// The checksum to be written, where the field itself was summed as zero.
  @inlinable @inline(__always)
  public var value: UInt16 { ~folded }

  /// `value` as UDP writes it: 0 means "no checksum" there, so 0xffff stands for it (RFC 768).
  @inlinable @inline(__always)
  public var udpValue: UInt16 {
    let value = value
    return value == 0 ? 0xffff : value
  }

  /// Whether all that was added, the checksum field included, is intact.
  @inlinable @inline(__always)
  public var isValid: Bool { Checksum.fold(sum) == 0xffff }

  /// The checksum over one piece, its own field summed as zero.
  @inlinable @inline(__always)
  public static func of(_ bytes: ByteView) -> UInt16 {
    ~UInt16(bigEndian: fold(sum(bytes)))
  }

  /// Whether a piece that contains its checksum is intact.
  @inlinable @inline(__always)
  public static func isValid(_ bytes: ByteView) -> Bool { fold(sum(bytes)) == 0xffff }

  /// The checksum after one word of what it covers has changed (RFC 1624, equation 3).
  @inlinable @inline(__always)
  public static func updated(_ checksum: UInt16, from old: UInt16, to new: UInt16) -> UInt16 {
    ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }

  /// The checksum after an aligned pair of words has changed.
  @inlinable @inline(__always)
  public static func updated(_ checksum: UInt16, from old: UInt32, to new: UInt32) -> UInt16 {
    ~fold(UInt64(~checksum) &+ UInt64(~old) &+ UInt64(new))
  }

  /// Adds the carries until 16 bits are left. 0 only for the sum 0.
  @inlinable @inline(__always)
  static func fold(_ sum: UInt64) -> UInt16 {
    var sum = (sum & 0xffff_ffff) &+ (sum >> 32)
    sum = (sum & 0xffff) &+ (sum >> 16 & 0xffff) &+ (sum >> 32)
    sum = (sum & 0xffff) &+ (sum >> 16)
    sum = (sum & 0xffff) &+ (sum >> 16)
    return UInt16(truncatingIfNeeded: sum)
  }

  /// The wrapping sum over the machine-order words of `bytes`, which may lie at any address.
  /// 64 bits cannot overflow below 2^32 words.
  @inlinable
  static func sum(_ bytes: ByteView) -> UInt64 {
    if bytes.count >= 256 { return UInt64(cplatform_checksum(bytes.base, bytes.count)) }
    var at = bytes.base
    let words = bytes.count >> 2
    var sum: UInt64 = 0
    for index in 0..<words {
      sum &+= UInt64(at.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self))
    }
    at += words &* 4
    if bytes.count & 2 != 0 {
      sum &+= UInt64(at.loadUnaligned(as: UInt16.self))
      at += 2
    }
    // The last of an odd number of bytes is a word with a zero byte after it.
    if bytes.count & 1 != 0 {
      sum &+= UInt64(UInt16(littleEndian: UInt16(at.load(as: UInt8.self))))
    }
    return sum
  }
}

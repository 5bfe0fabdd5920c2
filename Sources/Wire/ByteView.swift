// SPDX-License-Identifier: Apache-2.0
//
// Borrowed bytes with big-endian loads and stores: the base of every packet view and header of this module. A view
// owns nothing, and optimised builds do not check its accesses: `init?(checking:)` of a packet checks the lengths
// once, and its getters stay inside what was checked. Debug builds assert every access.
//
// A view must not outlive the memory it points to; it is not Sendable.

/// Read-only bytes that the caller owns.
public struct ByteView: BitwiseCopyable {
  public let base: UnsafeRawPointer
  public let count: Int

  @inlinable @inline(__always)
  public init(_ base: UnsafeRawPointer, count: Int) {
    assert(count >= 0)
    self.base = base
    self.count = count
  }

  @inlinable @inline(__always)
  public init(_ buffer: UnsafeRawBufferPointer) {
    // An empty buffer may have no address; any non-null one does, because it is never read.
    self.init(buffer.baseAddress ?? ByteView.nowhere, count: buffer.count)
  }

  @inlinable @inline(__always) public var isEmpty: Bool { count == 0 }

  public static var empty: ByteView { ByteView(nowhere, count: 0) }

  // A constant that isn't zero, so unwrapping cannot fail.
  @inlinable static var nowhere: UnsafeRawPointer {
    UnsafeRawPointer(bitPattern: 16).unsafelyUnwrapped
  }

  @inlinable @inline(__always)
  public subscript(offset: Int) -> UInt8 {
    assert(offset >= 0 && offset < count)
    return base.load(fromByteOffset: offset, as: UInt8.self)
  }

  @inlinable @inline(__always)
  public func uint16(at offset: Int) -> UInt16 {
    assert(offset >= 0 && offset + 2 <= count)
    return UInt16(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inlinable @inline(__always)
  public func uint32(at offset: Int) -> UInt32 {
    assert(offset >= 0 && offset + 4 <= count)
    return UInt32(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inlinable @inline(__always)
  public func uint64(at offset: Int) -> UInt64 {
    assert(offset >= 0 && offset + 8 <= count)
    return UInt64(bigEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }

  @inlinable @inline(__always)
  public func macAddress(at offset: Int) -> MACAddress {
    MACAddress(UInt64(uint16(at: offset)) << 32 | UInt64(uint32(at: offset + 2)))
  }

  @inlinable @inline(__always)
  public func ipv4Address(at offset: Int) -> IPAddress {
    IPAddress(v4: uint32(at: offset))
  }

  @inlinable @inline(__always)
  public func ipv6Address(at offset: Int) -> IPAddress {
    IPAddress(high: uint64(at: offset), low: uint64(at: offset + 8))
  }

  /// The part from `offset` to the end. Precondition: `offset` <= `count`.
  @inlinable @inline(__always)
  public func dropFirst(_ offset: Int) -> ByteView {
    assert(offset >= 0 && offset <= count)
    return ByteView(base + offset, count: count &- offset)
  }

  /// The first `length` bytes, or all if there are fewer.
  @inlinable @inline(__always)
  public func prefix(_ length: Int) -> ByteView {
    ByteView(base, count: min(max(length, 0), count))
  }

  /// `length` bytes from `offset`. Precondition: they exist.
  @inlinable @inline(__always)
  public func slice(at offset: Int, count length: Int) -> ByteView {
    assert(offset >= 0 && length >= 0 && offset + length <= count)
    return ByteView(base + offset, count: length)
  }

  /// `length` bytes from `offset`, or nil if they don't all exist. Any arguments are allowed.
  @inlinable @inline(__always)
  public func checkedSlice(at offset: Int, count length: Int) -> ByteView? {
    guard offset >= 0, length >= 0, offset <= count, length <= count &- offset else {
      return nil
    }
    return ByteView(base + offset, count: length)
  }

  /// A copy; for cold paths.
  public var bytes: [UInt8] { Array(UnsafeRawBufferPointer(start: base, count: count)) }

  public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }
}

/// Writable bytes that the caller owns.
public struct MutableByteView: BitwiseCopyable {
  public let base: UnsafeMutableRawPointer
  public let count: Int

  @inlinable @inline(__always)
  public init(_ base: UnsafeMutableRawPointer, count: Int) {
    assert(count >= 0)
    self.base = base
    self.count = count
  }

  @inlinable @inline(__always)
  public var view: ByteView { ByteView(base, count: count) }

  @inlinable @inline(__always)
  public func store(_ value: UInt8, at offset: Int) {
    assert(offset >= 0 && offset < count)
    base.storeBytes(of: value, toByteOffset: offset, as: UInt8.self)
  }

  @inlinable @inline(__always)
  public func store(_ value: UInt16, at offset: Int) {
    assert(offset >= 0 && offset + 2 <= count)
    base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  @inlinable @inline(__always)
  public func store(_ value: UInt32, at offset: Int) {
    assert(offset >= 0 && offset + 4 <= count)
    base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  @inlinable @inline(__always)
  public func store(_ value: UInt64, at offset: Int) {
    assert(offset >= 0 && offset + 8 <= count)
    base.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt64.self)
  }

  @inlinable @inline(__always)
  public func store(_ value: MACAddress, at offset: Int) {
    store(UInt16(truncatingIfNeeded: value.rawValue >> 32), at: offset)
    store(UInt32(truncatingIfNeeded: value.rawValue), at: offset + 2)
  }

  @inlinable @inline(__always)
  public func storeV4(_ value: IPAddress, at offset: Int) { store(value.v4, at: offset) }

  @inlinable @inline(__always)
  public func storeV6(_ value: IPAddress, at offset: Int) {
    store(value.high, at: offset)
    store(value.low, at: offset + 8)
  }

  /// Copies all of `source` to `offset`. Precondition: it fits, and the two don't overlap.
  @inlinable @inline(__always)
  public func store(_ source: ByteView, at offset: Int) {
    assert(offset >= 0 && offset + source.count <= count)
    (base + offset).copyMemory(from: source.base, byteCount: source.count)
  }

  /// Writes `length` zero bytes from `offset`.
  @inlinable @inline(__always)
  public func zero(at offset: Int, count length: Int) {
    assert(offset >= 0 && length >= 0 && offset + length <= count)
    (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: length)
  }

  /// The part from `offset` to the end. Precondition: `offset` <= `count`.
  @inlinable @inline(__always)
  public func dropFirst(_ offset: Int) -> MutableByteView {
    assert(offset >= 0 && offset <= count)
    return MutableByteView(base + offset, count: count &- offset)
  }
}

extension Array where Element == UInt8 {
  /// The array's bytes as a view, for the time of the call.
  public func withByteView<Result>(_ body: (ByteView) throws -> Result) rethrows -> Result {
    try withUnsafeBytes { try body(ByteView($0)) }
  }

  /// An array of `capacity` bytes that `body` fills; cut to the length it returns.
  public init(capacity: Int, filledBy body: (MutableByteView) -> Int) {
    self.init(unsafeUninitializedCapacity: Swift.max(capacity, 1)) { buffer, length in
      // Never nil: at least one byte was asked for.
      let base = UnsafeMutableRawPointer(buffer.baseAddress.unsafelyUnwrapped)
      base.initializeMemory(as: UInt8.self, repeating: 0, count: capacity)
      length = Swift.min(body(MutableByteView(base, count: capacity)), capacity)
    }
  }
}

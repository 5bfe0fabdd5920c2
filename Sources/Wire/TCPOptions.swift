// SPDX-License-Identifier: Apache-2.0
//
// TCP options (RFC 9293 §3.2; window scale and timestamps RFC 7323, SACK RFC 2018).
// Unknown options are skipped; parsing stops at the first option of illegal length, and the options before it count
// (MUST-7).

private enum Kind {
  static let end: UInt8 = 0
  static let noOperation: UInt8 = 1
  static let maximumSegmentSize: UInt8 = 2
  static let windowScale: UInt8 = 3
  static let sackPermitted: UInt8 = 4
  static let sack: UInt8 = 5
  static let timestamps: UInt8 = 8
}

/// Data that arrived: from `start` up to but not including `end`.
public struct SACKBlock: Hashable, Sendable, BitwiseCopyable {
  public var start: UInt32
  public var end: UInt32

  @inlinable @inline(__always)
  public init(start: UInt32, end: UInt32) {
    self.start = start
    self.end = end
  }
}

/// Up to four blocks, in place.
public struct SACKBlocks: Hashable, Sendable, BitwiseCopyable {
  @usableFromInline var first = SACKBlock(start: 0, end: 0)
  @usableFromInline var second = SACKBlock(start: 0, end: 0)
  @usableFromInline var third = SACKBlock(start: 0, end: 0)
  @usableFromInline var fourth = SACKBlock(start: 0, end: 0)
  public private(set) var count = 0

  @inlinable public static var capacity: Int { 4 }

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always) public var isEmpty: Bool { count == 0 }

  /// - Parameter index: 0..<count; the fourth block for anything beyond.
  @inlinable @inline(__always)
  public subscript(index: Int) -> SACKBlock {
    switch index {
    case 0: first
    case 1: second
    case 2: third
    default: fourth
    }
  }

  /// A fifth block is dropped.
  public mutating func append(_ block: SACKBlock) {
    switch count {
    case 0: first = block
    case 1: second = block
    case 2: third = block
    case 3: fourth = block
    default: return
    }
    count &+= 1
  }
}

public struct TCPTimestamps: Hashable, Sendable, BitwiseCopyable {
  public var value: UInt32
  public var echo: UInt32

  @inlinable @inline(__always)
  public init(value: UInt32, echo: UInt32) {
    self.value = value
    self.echo = echo
  }
}

/// The parsed options of a segment.
public struct TCPOptions: Hashable, Sendable, BitwiseCopyable {
  public var maximumSegmentSize: UInt16?
  /// As on the wire: a value above 14 counts as 14 (RFC 7323 §2.3).
  public var windowScale: UInt8?
  public var sackPermitted = false
  public var timestamps: TCPTimestamps?
  public var sackBlocks = SACKBlocks()

  @inlinable @inline(__always)
  public init() {}

  /// Reads the options between the fixed header and the data, for any bytes.
  public init(_ bytes: ByteView) {
    self.init()
    var at = 0
    while at < bytes.count {
      let kind = bytes[at]
      if kind == Kind.end { return }
      if kind == Kind.noOperation {
        at &+= 1
        continue
      }
      guard at &+ 1 < bytes.count else { return }
      let length = Int(bytes[at &+ 1])
      guard length >= 2, length <= bytes.count &- at else { return }
      read(kind, bytes.slice(at: at, count: length))
      at &+= length
    }
  }

  /// - Parameter option: with kind and length, at least two bytes.
  @inline(__always)
  private mutating func read(_ kind: UInt8, _ option: ByteView) {
    switch (kind, option.count) {
    case (Kind.timestamps, 10):
      timestamps = TCPTimestamps(value: option.uint32(at: 2), echo: option.uint32(at: 6))
    case (Kind.maximumSegmentSize, 4):
      maximumSegmentSize = option.uint16(at: 2)
    case (Kind.windowScale, 3):
      windowScale = option[2]
    case (Kind.sackPermitted, 2):
      sackPermitted = true
    case (Kind.sack, let length) where (length &- 2) % 8 == 0:
      var at = 2
      while at < length {
        sackBlocks.append(
          SACKBlock(start: option.uint32(at: at), end: option.uint32(at: at &+ 4)))
        at &+= 8
      }
    default:
      break
    }
  }

  /// Bytes on the wire, a multiple of four, at most 40.
  @inlinable @inline(__always)
  public var encodedLength: Int {
    let sack = writableBlocks
    return lengthWithoutSACK &+ (sack == 0 ? 0 : 4 &+ sack &* 8)
  }

  @inlinable @inline(__always)
  var lengthWithoutSACK: Int {
    var length = maximumSegmentSize == nil ? 0 : 4
    if timestamps != nil {
      length &+= 12
    } else if sackPermitted {
      length &+= 4
    }
    return length &+ (windowScale == nil ? 0 : 4)
  }

  /// Blocks that have room beside the other options: three with timestamps.
  @inlinable @inline(__always)
  var writableBlocks: Int {
    min(sackBlocks.count, (40 &- 4 &- lengthWithoutSACK) / 8)
  }

  /// Writes `encodedLength` bytes, each option aligned as Linux does it (SACK permitted
  /// takes the place of the padding before the timestamps). Blocks without room are left
  /// out, the last ones first. Returns the bytes written, 0 if they don't fit.
  @discardableResult
  public func emit(into out: MutableByteView) -> Int {
    guard out.count >= encodedLength else { return 0 }
    var at = 0
    if let maximumSegmentSize {
      out.store(UInt32(0x0204_0000) | UInt32(maximumSegmentSize), at: at)
      at &+= 4
    }
    if let timestamps {
      out.store(UInt32(sackPermitted ? 0x0402_080a : 0x0101_080a), at: at)
      out.store(timestamps.value, at: at &+ 4)
      out.store(timestamps.echo, at: at &+ 8)
      at &+= 12
    } else if sackPermitted {
      out.store(UInt32(0x0101_0402), at: at)
      at &+= 4
    }
    if let windowScale {
      out.store(UInt32(0x0103_0300) | UInt32(windowScale), at: at)
      at &+= 4
    }
    let blocks = writableBlocks
    if blocks > 0 {
      out.store(UInt32(0x0101_0500) | UInt32(2 &+ blocks &* 8), at: at)
      at &+= 4
      for index in 0..<blocks {
        out.store(sackBlocks[index].start, at: at)
        out.store(sackBlocks[index].end, at: at &+ 4)
        at &+= 8
      }
    }
    return at
  }
}

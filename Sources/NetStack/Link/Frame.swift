// SPDX-License-Identifier: Apache-2.0
//
// An Ethernet frame between a stack and its host, with the work that may be left to the link: completing a transport
// checksum, or segmenting a large frame (generic segmentation offload, GSO). Terms and fields are those of struct
// virtio_net_hdr (virtio 1.2, section 5.1.6.1).
//
// The layout is fixed, so that a host with frames of this layout in memory (Gateway, by `lnd_frame`) passes them
// without a copy. `Frame.Reserved` is the one place that defines its size.

/// A frame. Borrowed for the call in which it is passed; trivial.
public struct Frame: BitwiseCopyable {
  /// Zero bytes that pad the structure to 64 bytes, a cache line.
  public typealias Reserved = (UInt64, UInt64, UInt64, UInt64)

  /// The bytes from the destination address on, or, with `.slices`, the address of an array of `FrameSlice`.
  public var data: UnsafePointer<UInt8>?
  /// Bytes of frame, at most `maximumLength`.
  public var length: UInt32
  /// Number of slices with `.slices`; otherwise 0.
  public var sliceCount: UInt32
  public var flags: FrameFlags
  public var gsoType: GSOType
  /// Payload bytes of each segment of a GSO frame.
  public var gsoSize: UInt16
  /// With `.needsChecksum`: bytes from the start of the frame to the transport header, and from there to
  /// the checksum field.
  public var checksumStart: UInt16
  public var checksumOffset: UInt16
  /// Bytes of all headers of a GSO frame, which each segment repeats.
  public var headerLength: UInt16
  private var padding: UInt16 = 0
  private var reserved: Reserved = (0, 0, 0, 0)

  /// Ethernet header, one tag, and the longest IP packet.
  public static let maximumLength = 65553
  /// Maximum slices of one frame.
  public static let maximumSlices = 64

  @inline(__always)
  public init(
    data: UnsafePointer<UInt8>? = nil, length: UInt32 = 0, flags: FrameFlags = []
  ) {
    self.data = data
    self.length = length
    sliceCount = 0
    self.flags = flags
    gsoType = .none
    gsoSize = 0
    checksumStart = 0
    checksumOffset = 0
    headerLength = 0
  }
}

/// Part of a frame's bytes.
public struct FrameSlice: BitwiseCopyable {
  public var data: UnsafePointer<UInt8>?
  /// Bytes.
  public var length: UInt64

  @inline(__always)
  public init(data: UnsafePointer<UInt8>?, length: UInt64) {
    self.data = data
    self.length = length
  }
}

public struct FrameFlags: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt32

  @inline(__always)
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The checksum field at `checksumStart + checksumOffset` holds the sum of the pseudo header alone.
  public static let needsChecksum = FrameFlags(rawValue: 1)
  /// All checksums were verified, or need no verification.
  public static let checksumValid = FrameFlags(rawValue: 2)
  /// `data` is a list of slices; only in frames that a stack sends.
  public static let slices = FrameFlags(rawValue: 0x10000)
}

/// The segmentation of a GSO frame.
public struct GSOType: RawRepresentable, Equatable, BitwiseCopyable, Sendable {
  public let rawValue: UInt16

  @inline(__always)
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public static let none = GSOType(rawValue: 0)
  public static let tcpV4 = GSOType(rawValue: 1)
  public static let tcpV6 = GSOType(rawValue: 4)
  /// Each segment is a UDP datagram.
  public static let udp = GSOType(rawValue: 5)
}

/// The offloads that a link supports.
public struct Offloads: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt32

  @inline(__always)
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let checksum = Offloads(rawValue: 1)
  public static let tcpV4 = Offloads(rawValue: 2)
  public static let tcpV6 = Offloads(rawValue: 4)
  public static let udp = Offloads(rawValue: 8)
}

// SPDX-License-Identifier: Apache-2.0

/// What a descriptor is watched for, or ready for.
public struct FDEvents: OptionSet, BitwiseCopyable, Sendable {
  public let rawValue: UInt8

  @inline(__always)
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let read = FDEvents(rawValue: 1)
  public static let write = FDEvents(rawValue: 2)
  /// Always reported: an error, or both directions are closed.
  public static let error = FDEvents(rawValue: 4)
  /// Always reported: the peer has shut down its sending side.
  public static let hangup = FDEvents(rawValue: 8)
}

/// A watched descriptor is ready. The layout is fixed, as `Frame`'s is.
public struct FDEvent: BitwiseCopyable {
  /// The token given when the watch began.
  public var token: UInt64
  /// Of FDEvents, in 32 bits.
  private var bits: UInt32
  private var reserved: UInt32 = 0

  @inline(__always)
  public init(token: UInt64, events: FDEvents) {
    self.token = token
    bits = UInt32(events.rawValue)
  }

  @inline(__always)
  public var events: FDEvents { FDEvents(rawValue: UInt8(truncatingIfNeeded: bits)) }
}

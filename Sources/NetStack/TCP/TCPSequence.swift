// SPDX-License-Identifier: Apache-2.0
//
// Sequence numbers compare modulo 2^32 (RFC 9293 §3.4).

/// Comparisons of TCP sequence numbers; for any values.
enum Sequence32 {
  /// a < b
  @inline(__always)
  static func less(_ a: UInt32, _ b: UInt32) -> Bool { Int32(bitPattern: a &- b) < 0 }

  /// a <= b
  @inline(__always)
  static func lessOrEqual(_ a: UInt32, _ b: UInt32) -> Bool { Int32(bitPattern: a &- b) <= 0 }

  @inline(__always)
  static func max(_ a: UInt32, _ b: UInt32) -> UInt32 { less(a, b) ? b : a }

  @inline(__always)
  static func min(_ a: UInt32, _ b: UInt32) -> UInt32 { less(a, b) ? a : b }

  /// b - a, 0 when b is before a.
  @inline(__always)
  static func distance(from a: UInt32, to b: UInt32) -> UInt32 { less(a, b) ? b &- a : 0 }
}

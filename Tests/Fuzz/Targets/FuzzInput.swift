// SPDX-License-Identifier: Apache-2.0
//
// The bytes a fuzzer made, read as a script: each read takes what is left, and zeros after
// the end, so that every input means something.

/// A reader of fuzz input.
public struct FuzzInput {
  private let bytes: [UInt8]
  private var at = 0

  public init(_ bytes: [UInt8]) { self.bytes = bytes }

  public var isAtEnd: Bool { at >= bytes.count }
  public var left: Int { bytes.count - at }

  public mutating func byte() -> UInt8 {
    guard at < bytes.count else { return 0 }
    defer { at += 1 }
    return bytes[at]
  }

  public mutating func uint16() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }
  public mutating func uint32() -> UInt32 { UInt32(uint16()) << 16 | UInt32(uint16()) }

  /// `count` bytes, fewer at the end.
  public mutating func take(_ count: Int) -> [UInt8] {
    let end = min(bytes.count, at + max(count, 0))
    defer { at = end }
    return Array(bytes[at..<end])
  }

  /// A chunk behind its length in two bytes.
  public mutating func chunk() -> [UInt8] { take(Int(uint16())) }

  public mutating func rest() -> [UInt8] { take(left) }
}

/// What a fuzz target found wrong: ends the process, so that libFuzzer keeps the input.
public func expectFuzz(
  _ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String
) {
  // The one purpose of a fuzz target.
  if !condition() { fatalError("fuzz: \(message())") }
}

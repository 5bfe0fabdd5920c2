// SPDX-License-Identifier: Apache-2.0

extension SeededGenerator {
  /// A variant of `original`: bits flipped, bytes replaced, truncated or lengthened.
  package mutating func mutation(of original: [UInt8]) -> [UInt8] {
    var bytes = original
    for _ in 0..<Int.random(in: 1...4, using: &self) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &self)
      switch Int.random(in: 0..<5, using: &self) {
      case 0: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &self)
      case 1: bytes[at] = UInt8.random(in: 0...255, using: &self)
      case 2: bytes[at] = [0, 0xff, 0x7f, 0x80, 1].randomElement(using: &self) ?? 0
      case 3: bytes.removeLast(bytes.count - at)
      default: bytes += self.bytes(Int.random(in: 1...64, using: &self))
      }
    }
    return bytes
  }
}

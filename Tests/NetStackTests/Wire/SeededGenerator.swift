// SPDX-License-Identifier: Apache-2.0
//
// Random input that is the same in every run (SplitMix64).

struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    var bytes = [UInt8]()
    bytes.reserveCapacity(count + 8)
    while bytes.count < count {
      let word = next()
      for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) }
    }
    bytes.removeLast(bytes.count - count)
    return bytes
  }

  /// Another version of `original`: bits flipped, bytes replaced, cut or lengthened.
  mutating func mutation(of original: [UInt8]) -> [UInt8] {
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

// SPDX-License-Identifier: Apache-2.0
//
// PatternSet: a set of characters (Unicode scalars), as sorted, disjoint, non-adjacent ranges, and a bitmap for
// ASCII. A look-up takes logarithmic time, however many ranges an expression lists.

struct PatternSet: Hashable, Sendable {
  private(set) var ranges: [ClosedRange<UInt32>]
  private var ascii: (low: UInt64, high: UInt64) = (0, 0)

  static let highest: UInt32 = 0x10ffff

  init(_ ranges: [ClosedRange<UInt32>]) {
    self.ranges = Self.merged(ranges)
    for range in self.ranges where range.lowerBound < 0x80 {
      for value in range.clamped(to: 0...0x7f) {
        if value < 64 {
          ascii.low |= 1 << UInt64(value)
        } else {
          ascii.high |= 1 << UInt64(value - 64)
        }
      }
    }
  }

  static func == (left: PatternSet, right: PatternSet) -> Bool { left.ranges == right.ranges }
  func hash(into hasher: inout Hasher) { hasher.combine(ranges) }

  private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = result.last, range.lowerBound <= last.upperBound + 1 {
        result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }

  func contains(_ scalar: UInt32) -> Bool {
    if scalar < 64 { return ascii.low >> UInt64(scalar) & 1 != 0 }
    if scalar < 128 { return ascii.high >> UInt64(scalar - 64) & 1 != 0 }
    var (low, high) = (0, ranges.count)
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound < scalar { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(scalar)
  }

  /// All characters not in the set.
  var complement: PatternSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = range.upperBound + 1
    }
    if next <= Self.highest { result.append(next...Self.highest) }
    return PatternSet(result)
  }

  /// With the letters A to Z in both cases.
  var ignoringCase: PatternSet {
    var result = ranges
    for range in ranges {
      if range.overlaps(0x41...0x5a) {
        let upper = range.clamped(to: 0x41...0x5a)
        result.append(upper.lowerBound + 32...upper.upperBound + 32)
      }
      if range.overlaps(0x61...0x7a) {
        let lower = range.clamped(to: 0x61...0x7a)
        result.append(lower.lowerBound - 32...lower.upperBound - 32)
      }
    }
    return PatternSet(result)
  }

  // MARK: Classes

  static let all = PatternSet([0...highest])
  static let digits = PatternSet([0x30...0x39])
  static let wordCharacters = PatternSet([0x30...0x39, 0x41...0x5a, 0x5f...0x5f, 0x61...0x7a])
  /// ECMA-262's white space and line breaks.
  static let spaces = PatternSet([
    0x09...0x0d, 0x20...0x20, 0xa0...0xa0, 0x1680...0x1680, 0x2000...0x200a, 0x2028...0x2029,
    0x202f...0x202f, 0x205f...0x205f, 0x3000...0x3000, 0xfeff...0xfeff,
  ])
  /// The set of `.`: all but line breaks.
  static let dot = PatternSet([0x0a...0x0a, 0x0d...0x0d, 0x2028...0x2029]).complement

  /// `\d` and similar; the upper-case letter is the complement.
  static func escaped(_ letter: UInt32) -> PatternSet? {
    switch Unicode.Scalar(letter) {
    case "d": digits
    case "D": digits.complement
    case "w": wordCharacters
    case "W": wordCharacters.complement
    case "s": spaces
    case "S": spaces.complement
    default: nil
    }
  }

  /// `[:alpha:]` and similar in brackets (RE2, POSIX).
  static func named(_ name: String) -> PatternSet? {
    switch name {
    case "alnum": PatternSet([0x30...0x39, 0x41...0x5a, 0x61...0x7a])
    case "alpha": PatternSet([0x41...0x5a, 0x61...0x7a])
    case "ascii": PatternSet([0...0x7f])
    case "blank": PatternSet([0x09...0x09, 0x20...0x20])
    case "cntrl": PatternSet([0...0x1f, 0x7f...0x7f])
    case "digit": digits
    case "graph": PatternSet([0x21...0x7e])
    case "lower": PatternSet([0x61...0x7a])
    case "print": PatternSet([0x20...0x7e])
    case "punct": PatternSet([0x21...0x2f, 0x3a...0x40, 0x5b...0x60, 0x7b...0x7e])
    case "space": PatternSet([0x09...0x0d, 0x20...0x20])
    case "upper": PatternSet([0x41...0x5a])
    case "word": wordCharacters
    case "xdigit": PatternSet([0x30...0x39, 0x41...0x46, 0x61...0x66])
    default: nil
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// How many labels the names of a table have, to bound the suffixes that a look-up tries: a question with a hundred
/// labels needs no more than the longest name has.
struct NameDepths {
  /// Number of names by their number of labels; a name has 127 at most.
  private var counts = [Int](repeating: 0, count: 128)
  /// Labels of the longest name; -1 without names.
  private(set) var deepest = -1

  mutating func add(_ name: DNSName) {
    let depth = name.labelCount
    counts[depth] += 1
    deepest = max(deepest, depth)
  }

  mutating func remove(_ name: DNSName) {
    counts[name.labelCount] -= 1
    while deepest >= 0, counts[deepest] == 0 { deepest -= 1 }
  }
}

extension DNSName {
  /// Labels, the root not counted: 127 at most.
  var labelCount: Int {
    var count = 0
    var offset = 0
    while wire[offset] != 0 {
      offset += 1 + Int(wire[offset])
      count += 1
    }
    return count
  }

  /// Its last `count` labels; the whole name when it has fewer.
  func suffix(_ count: Int) -> DNSName {
    var offset = 0
    for _ in 0..<max(0, labelCount - count) { offset += 1 + Int(wire[offset]) }
    return offset == 0 ? self : DNSName(wire: Array(wire[offset...])) ?? self
  }
}

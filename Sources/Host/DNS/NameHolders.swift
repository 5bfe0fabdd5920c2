// SPDX-License-Identifier: Apache-2.0

/// The name sets that have something for one key, by their numbers: a set that came later has a higher one.
/// Nearly always there is one set, which costs no memory of its own.
struct NameHolders {
  private(set) var newest: UInt64
  /// The others, in the order in which they came.
  private var before: [UInt64] = []

  init(_ set: UInt64) { newest = set }

  var count: Int { before.count + 1 }

  /// The set that came last first.
  var newestFirst: [UInt64] { [newest] + before.reversed() }

  /// - Parameter set: came after all there are.
  mutating func add(_ set: UInt64) {
    before.append(newest)
    newest = set
  }

  /// False when it was the only one, and is still there.
  mutating func remove(_ set: UInt64) -> Bool {
    if set == newest {
      guard let last = before.popLast() else { return false }
      newest = last
    } else if let place = before.firstIndex(of: set) {
      before.remove(at: place)
    }
    return true
  }
}

extension Dictionary where Value == NameHolders {
  mutating func add(_ set: UInt64, to key: Key) {
    if self[key]?.add(set) == nil { self[key] = NameHolders(set) }
  }

  mutating func remove(_ set: UInt64, from key: Key) {
    if self[key]?.remove(set) == false { self[key] = nil }
  }
}

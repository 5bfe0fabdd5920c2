// SPDX-License-Identifier: Apache-2.0

/// The numbers of the name sets with an entry for one key; a set added later has a higher number. Usually there is
/// one set, which needs no allocation.
struct NameHolders {
  private(set) var newest: UInt64
  /// The others, in the order in which they were added.
  private var before: [UInt64] = []

  init(_ set: UInt64) { newest = set }

  var count: Int { before.count + 1 }

  /// The most recently added set first.
  var newestFirst: [UInt64] { [newest] + before.reversed() }

  /// - Parameter set: its number, higher than all present ones.
  mutating func add(_ set: UInt64) {
    before.append(newest)
    newest = set
  }

  /// False when it is the only set, which cannot be removed here.
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

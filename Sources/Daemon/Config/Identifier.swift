// SPDX-License-Identifier: Apache-2.0
//
// Identifier: Lima's rule for names of networks, modes and groups; and the known word most similar to an unknown one.

package enum Identifier {
  package static let maximumLength = 76

  /// `^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$`, at most 76 characters.
  package static func isValid(_ text: String) -> Bool {
    guard !text.isEmpty, text.utf8.count <= maximumLength else { return false }
    var separatorAllowed = false
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "a")...UInt8(ascii: "z"):
        separatorAllowed = true
      case UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
        guard separatorAllowed else { return false }
        separatorAllowed = false
      default:
        return false
      }
    }
    return separatorAllowed
  }

  /// The known word most similar to `word`, if at most a third of its letters differ.
  package static func nearest(to word: String, among known: some Sequence<String>) -> String? {
    let folded = word.lowercased()
    var best: (word: String, distance: Int)?
    for candidate in known {
      let distance = editDistance(folded, candidate.lowercased())
      if distance < best?.distance ?? .max { best = (candidate, distance) }
    }
    guard let best, best.distance <= max(1, best.word.count / 3), best.distance < best.word.count
    else { return nil }
    return best.word
  }

  /// Levenshtein distance with transpositions counted as one; both words are cut off at 80 characters.
  static func editDistance(_ first: String, _ second: String) -> Int {
    let left = Array(first.prefix(80))
    let right = Array(second.prefix(80))
    var beforeLast: [Int] = []
    var last = Array(0...right.count)
    for row in 0..<left.count {
      var current = [row + 1]
      for column in 0..<right.count {
        let same = left[row] == right[column]
        var cost = min(
          last[column] + (same ? 0 : 1), last[column + 1] + 1, current[column] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        current.append(cost)
      }
      beforeLast = last
      last = current
    }
    return last[right.count]
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Plural: counts with their nouns, for messages to users.

package enum Plural {
  /// "1 guest", "2 guests", "0 guests".
  package static func text(_ count: Int, _ thing: String, _ things: String? = nil) -> String {
    "\(count) \(count == 1 ? thing : things ?? thing + "s")"
  }

  /// "once", "twice", "3 times"
  package static func times(_ count: Int) -> String {
    switch count {
    case 1: "once"
    case 2: "twice"
    default: "\(count) times"
    }
  }

  /// "there is web", "there are db, web"; of many only the first, and an ellipsis.
  package static func there(_ names: [String], most: Int = .max) -> String {
    let shown = names.prefix(most) + (names.count > most ? ["..."] : [])
    return "there \(names.count == 1 ? "is" : "are") \(shown.joined(separator: ", "))"
  }
}

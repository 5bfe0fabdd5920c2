// SPDX-License-Identifier: Apache-2.0
//
// SudoersWords: words that may be in a sudoers file without escapes. sudo-rs supports neither digests nor wildcards nor
// most escapes, so that words that would need them are refused. Pure.

package enum SudoersError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The message, Lima's or lima-netd's own.
  case refused(String)
  case word(String, of: String)
  case unsafe(String, PathFlaw)

  package var description: String {
    switch self {
    case .refused(let text): text
    case .word(let word, let what):
      "`\(word)` (\(what)) has a character that cannot stand in sudoers: letters, digits, `/`, `.`, `_`, `-` and `+` can"
    case .unsafe(let path, let flaw):
      "`\(path)` would run as root, and others could change it: \(flaw)"
    }
  }
}

package enum SudoersWords {
  /// Whether a word of a command line has no character with a meaning in sudoers(5): , : = \ ! * ? [ ] # " and blanks.
  package static func isPlain(_ word: String) -> Bool {
    !word.isEmpty
      && word.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "/._-+".utf8.contains(byte)
        }
      }
  }

  static func check(_ words: [String], of what: String) throws(SudoersError) {
    for word in words where !isPlain(word) { throw .word(word, of: what) }
  }

  /// "alice", or "#1000" if the name has another meaning (an alias, ALL) or would need escapes.
  static func user(_ name: String?, uid: UInt32) -> String {
    guard let name, let first = name.utf8.first, (0x61...0x7A).contains(first),
      Identifier.isValid(name)
    else { return "#\(uid)" }
    return name
  }
}

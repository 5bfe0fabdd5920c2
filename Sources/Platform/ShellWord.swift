// SPDX-License-Identifier: Apache-2.0
//
// ShellWord: quotes words of commands that users paste into a shell. Pure.

/// A word for a shell.
package enum ShellWord {
  /// Unchanged if it has no special characters, otherwise in single quotes.
  package static func quoted(_ word: String) -> String {
    let isPlain =
      !word.isEmpty
      && word.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "/._-+=:,@%".utf8.contains(byte)
        }
      }
    guard !isPlain else { return word }
    let pieces = word.split(separator: "'", omittingEmptySubsequences: false)
    return "'" + pieces.joined(separator: "'\\''") + "'"
  }
}

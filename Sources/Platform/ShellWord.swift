// SPDX-License-Identifier: Apache-2.0
//
// ShellWord: words of commands that people paste into a shell. Pure.

/// A word for a shell.
package enum ShellWord {
  /// As it is where nothing in it means something to a shell, else in single quotes.
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

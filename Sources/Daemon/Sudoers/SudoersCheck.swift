// SPDX-License-Identifier: Apache-2.0
//
// SudoersCheck: whether a sudoers file matches the configuration (`sudoers --check`). Results and wording are those of
// Lima's VerifySudoAccess; reading the file and asking sudo are arguments. Pure.

import Platform

package struct SudoersCheck {
  package enum Comparison: Sendable {
    /// The contents must be identical, as in Lima.
    case equal
    /// The file must contain all of the lines, and may have others.
    case contains
  }

  /// The required text.
  package var text: String
  package var comparison: Comparison
  /// How the user runs this program.
  package var command: String
  /// The user given as an argument, if any.
  package var user: String?
  package var group: String?
  /// " --lima-home DIR", or "".
  package var home: String

  package init(
    text: String, comparison: Comparison, command: String, user: String? = nil,
    group: String? = nil, home: String = ""
  ) {
    self.text = text
    self.comparison = comparison
    self.command = command
    self.user = user
    self.group = group
    self.home = home
  }

  /// The message if all is right.
  package static func confirmation(_ file: String) -> String {
    "`\(file)` is up-to-date (or sudo doesn't require a password)"
  }

  /// - Parameters:
  ///   - read: returns the file's contents.
  ///   - sudoWorks: whether sudo requires no password; called only if the file cannot be read.
  /// - Returns: the problem; nil if there is none.
  package func problem(
    file: String, read: (String) throws(SystemError) -> [UInt8], sudoWorks: () -> Bool
  ) -> String? {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try read(file)
    } catch {
      // sudo's files are usually unreadable for users: then sudo is asked.
      if error.errno == .noSuchFile || error.errno == .accessDenied, sudoWorks() { return nil }
      return "can't read `\(file)`: \(error.reason): (Hint: \(hint(file)))"
    }
    guard !isMet(by: bytes) else { return nil }
    return "sudoers file `\(file)` is out of sync and must be regenerated (Hint: \(hint(file)))"
  }

  private func isMet(by bytes: [UInt8]) -> Bool {
    switch comparison {
    case .equal: return bytes == Array(text.utf8)
    case .contains:
      let there = Set(String(decoding: bytes, as: UTF8.self).split(separator: "\n"))
      return text.split(separator: "\n").allSatisfy { $0.hasPrefix("# ") || there.contains($0) }
    }
  }

  private func hint(_ file: String) -> String {
    switch comparison {
    case .equal:
      return "run `\(command) sudoers >etc_sudoers.d_lima && "
        + "sudo install -o root etc_sudoers.d_lima \"\(file)\"`"
    case .contains:
      let whom = (group.map { " --group \(ShellWord.quoted($0))" } ?? "") + home
      return "run `\(SudoersFile.writing(command, user: user, home: whom, path: file))`"
    }
  }
}

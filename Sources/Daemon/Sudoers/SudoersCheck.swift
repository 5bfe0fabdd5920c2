// SPDX-License-Identifier: Apache-2.0
//
// SudoersCheck: is a sudoers file what the configuration wants (`sudoers --check`)? Verdicts and words of Lima's
// VerifySudoAccess; what reads the file and asks sudo is passed in. Pure.

import Platform

package struct SudoersCheck {
  package enum Comparison: Sendable {
    /// Lima's: byte for byte.
    case equal
    /// The file may have other lines, too: all of ours are there.
    case contains
  }

  /// What the file has to have.
  package var text: String
  package var comparison: Comparison
  /// How the user runs this program.
  package var command: String
  /// For whom, where the user said so.
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

  /// What to say when all is well.
  package static func confirmation(_ file: String) -> String {
    "`\(file)` is up-to-date (or sudo doesn't require a password)"
  }

  /// - Parameters:
  ///   - read: the file.
  ///   - sudoWorks: no password is asked for what is needed; asked only where the file cannot tell.
  /// - Returns: why not; nil when all is well.
  package func problem(
    file: String, read: (String) throws(SystemError) -> [UInt8], sudoWorks: () -> Bool
  ) -> String? {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try read(file)
    } catch {
      // sudo keeps its files from everybody: then only sudo can tell.
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

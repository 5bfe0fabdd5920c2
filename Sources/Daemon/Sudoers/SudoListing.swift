// SPDX-License-Identifier: Apache-2.0
//
// SudoListing: parses the output of `sudo -l` to determine whether a command may be run as root without a password. sudo
// and sudo-rs have the same format. If the output is not understood, the command may not. Pure.

package enum SudoListing {
  package enum Verdict: Hashable, Sendable {
    case withoutPassword, withPassword, no
  }

  /// The last matching line decides, as in sudoers(5).
  package static func verdict(on words: [String], in listing: String) -> Verdict {
    var verdict = Verdict.no
    for line in listing.split(separator: "\n") {
      let trimmed = line.drop { $0 == " " || $0 == "\t" }
      guard trimmed.first == "(", trimmed.count < line.count,
        let close = trimmed.firstIndex(of: ")")
      else { continue }
      let users =
        trimmed[trimmed.index(after: trimmed.startIndex)..<close]
        .split(separator: ":").first?.split(whereSeparator: { $0 == "," || $0 == " " }) ?? []
      guard users.contains("root") || users.contains("ALL") else { continue }
      var asksPassword = true
      for command in commands(trimmed[trimmed.index(after: close)...]) {
        var rest = command.drop { $0 == " " }
        while let tag = rest.firstIndex(of: ":"),
          rest[..<tag].allSatisfy({ $0.isUppercase || $0 == "_" })
        {
          switch rest[..<tag] {
          case "NOPASSWD": asksPassword = false
          case "PASSWD": asksPassword = true
          default: break
          }
          rest = rest[rest.index(after: tag)...].drop { $0 == " " }
        }
        let denies = rest.first == "!"
        if denies { rest = rest.dropFirst() }
        guard matches(rest, words) else { continue }
        verdict = denies ? .no : asksPassword ? .withPassword : .withoutPassword
      }
    }
    return verdict
  }

  /// Splits at commas, except those after a backslash.
  private static func commands(_ text: Substring) -> [Substring] {
    var parts: [Substring] = []
    var start = text.startIndex
    var before: Character = " "
    for index in text.indices {
      if text[index] == ",", before != "\\" {
        parts.append(text[start..<index])
        start = text.index(after: index)
      }
      before = text[index]
    }
    return parts + [text[start...]]
  }

  /// Whether an entry allows the command: fixed arguments, a program with any arguments, or ALL.
  private static func matches(_ command: Substring, _ words: [String]) -> Bool {
    let found = command.split(separator: " ").map { $0.filter { $0 != "\\" } }
    return found == ["ALL"] || found == words || (found.count == 1 && found.first == words.first)
  }
}

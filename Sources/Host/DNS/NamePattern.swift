// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A POSIX extended regular expression that names are matched against: anywhere in the name,
/// without case. regcomp(3).
///
/// What could take the C library much memory or time is refused: long expressions, large or many
/// repetitions, back-references. Loop thread.
final class NamePattern {
  static let maximumLength = 256
  static let maximumRepetitions = 2
  static let maximumRepeat = 64

  private var compiled = regex_t()

  init?(_ text: String) {
    guard Self.isBounded(text), regcomp(&compiled, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0
    else { return nil }
  }

  deinit { regfree(&compiled) }

  func matches(_ text: String) -> Bool {
    regexec(&compiled, text, 0, nil, 0) == 0
  }

  private static func isBounded(_ text: String) -> Bool {
    guard text.utf8.count <= maximumLength, !text.utf8.contains(0) else { return false }
    var repetitions = 0
    var number = 0
    var isEscaped = false
    var isInBraces = false
    for octet in text.utf8 {
      let digit = Int(octet) - 0x30
      if isEscaped, (1...9).contains(digit) { return false }
      isEscaped = octet == UInt8(ascii: "\\") && !isEscaped
      switch octet {
      case UInt8(ascii: "{"):
        repetitions += 1
        number = 0
        isInBraces = true
      case UInt8(ascii: "}"): isInBraces = false
      case UInt8(ascii: ","): number = 0
      default:
        guard isInBraces, (0...9).contains(digit) else { continue }
        number = number * 10 + digit
        if number > maximumRepeat { return false }
      }
    }
    return repetitions <= maximumRepetitions
  }
}

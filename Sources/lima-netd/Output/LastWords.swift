// SPDX-License-Identifier: Apache-2.0
//
// LastWords: the end of this program: prints ArgumentParser's text for an error or a request for help, with usages wrapped
// for a terminal, on the appropriate stream, and sets the exit status.

import LibC
import ArgumentParser
import Platform

enum LastWords {
  /// - Parameter arguments: the program's arguments, for suggestions.
  static func exit(_ error: any Error, _ arguments: [String] = []) -> Never {
    let error = (error as? SystemError).map { CommandFailure($0) as any Error } ?? error
    if let error = error as? CommandWords.Unknown { end("Error: \(error)", .validationFailure) }
    let code = LimaNetd.exitCode(for: error)
    let hint = code == .validationFailure ? CommandWords.terminated(arguments) : nil
    let text = text(error)
    end(
      hint.map { "Error: \($0)" }
        ?? (code == .validationFailure
          ? OptionWords.explained(text, arguments, of: LimaNetd.self) : text),
      code)
  }

  private static func end(_ text: String, _ code: ExitCode) -> Never {
    if !text.isEmpty {
      if code.isSuccess { StandardOutput.print(text) } else { StandardError.print(text) }
    }
    if code.isSuccess {
      do { try StandardOutput.check() } catch { end("Error: \(error)", .failure) }
    }
    systemExit(code.rawValue)
  }

  private static func systemExit(_ code: Int32) -> Never {
    #if canImport(Glibc)
      Glibc.exit(code)
    #else
      Darwin.exit(code)
    #endif
  }

  static func text(_ error: any Error) -> String {
    // As the user typed it.
    LimaNetd.fullMessage(for: error).replacing("--\(JSONForm.linesFlag)", with: "--json=lines")
      .split(separator: "\n", omittingEmptySubsequences: false)
      .map { line in
        let isUsage = line.hasPrefix("USAGE: ") || line.hasPrefix("Usage: ")
        return isUsage && line.count > Paragraph.width ? usage(line) : String(line)
      }.joined(separator: "\n")
  }

  /// Wraps between words, never inside of brackets, and indents further lines to the first one's arguments.
  static func usage(_ line: Substring) -> String {
    var lines: [String] = []
    var current = ""
    for word in words(line) {
      if !current.isEmpty, current.count + 1 + word.count > Paragraph.width {
        lines.append(current)
        current = "         " + word
      } else {
        current += (current.isEmpty ? "" : " ") + word
      }
    }
    return (lines + [current]).joined(separator: "\n")
  }

  /// "[--mtu <bytes>]" is one word.
  private static func words(_ line: Substring) -> [String] {
    var words: [String] = []
    var word = ""
    var depth = 0
    for character in line {
      if character == " ", depth == 0 {
        words.append(word)
        word = ""
        continue
      }
      if "[(".contains(character) { depth += 1 }
      if "])".contains(character) { depth -= 1 }
      word.append(character)
    }
    return words + [word]
  }
}

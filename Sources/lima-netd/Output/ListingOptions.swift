// SPDX-License-Identifier: Apache-2.0
//
// ListingOptions: `--json` and `--json=lines`, options of every command that shows or changes something.

import ArgumentParser
import Daemon

struct ListingOptions: ParsableArguments {
  @Flag(
    name: .customLong("json"),
    help: "Print JSON instead of text; with --json=lines a list's objects are one a line.")
  var isDocument = false
  /// The flag that `--json=lines` is parsed as (`JSONForm.split`), since flags have no values.
  @Flag(name: .customLong(JSONForm.linesFlag), help: .hidden)
  var isLines = false

  /// JSON was requested, in one of its two forms.
  var json: Bool { isDocument || isLines }

  /// Prints `value` as JSON if that was requested, otherwise `text`.
  func show(_ value: some Encodable, text: () -> String) throws {
    guard json else { return StandardOutput.print(text()) }
    try show(value)
  }

  /// Prints a note: to standard error if the output is JSON.
  func tell(_ text: String) {
    if json { StandardError.print(text) } else { StandardOutput.print(text) }
  }

  /// Prints `value` as JSON in the requested form.
  func show(_ value: some Encodable) throws {
    let text = try isLines ? JSONForm.lines(value) : JSONText.string(value, pretty: true)
    // An empty list has no lines.
    if !text.isEmpty { StandardOutput.print(text) }
  }
}

/// The two forms of `--json`. Pure.
enum JSONForm {
  static let linesFlag = "json-lines"

  /// Replaces `--json=lines` in a command's arguments by the flag that ArgumentParser knows.
  /// - Throws: `CommandFailure` for another word after the `=`.
  static func split(_ words: [String]) throws -> [String] {
    // Arguments after `--` are another program's.
    let own = words.prefix { $0 != "--" }
    return try own.map { word in
      guard word.hasPrefix("--json=") else { return word }
      guard word == "--json=lines" else {
        throw CommandFailure(
          "\(word): --json takes `lines` or nothing",
          remedy: "One object a line:  --json=lines")
      }
      return "--\(linesFlag)"
    } + words[own.endIndex...]
  }

  /// The elements of an array, one per line; other values as one line.
  static func lines(_ value: some Encodable) throws -> String {
    let json = try JSONText.value(of: value)
    guard let elements = json.array else { return String(decoding: json.bytes, as: UTF8.self) }
    return elements.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: "\n")
  }
}

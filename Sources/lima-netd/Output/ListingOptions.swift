// SPDX-License-Identifier: Apache-2.0
//
// ListingOptions: `--json` and `--json=lines`, on every command that shows or changes something.

import ArgumentParser
import Daemon

struct ListingOptions: ParsableArguments {
  @Flag(
    name: .customLong("json"),
    help: "Print JSON instead of text; with --json=lines a list's objects are one a line.")
  var isDocument = false
  /// What `--json=lines` is parsed as (`JSONForm.split`): a flag has no value.
  @Flag(name: .customLong(JSONForm.linesFlag), help: .hidden)
  var isLines = false

  /// JSON was asked for, in one of the two forms.
  var json: Bool { isDocument || isLines }

  /// Prints `value` as JSON if that was asked for, what `text` makes otherwise.
  func show(_ value: some Encodable, text: () -> String) throws {
    guard json else { return StandardOutput.print(text()) }
    try show(value)
  }

  /// Says something beside: to standard error where a program reads the output.
  func tell(_ text: String) {
    if json { StandardError.print(text) } else { StandardOutput.print(text) }
  }

  /// Prints `value` as JSON in the form that was asked for.
  func show(_ value: some Encodable) throws {
    let text = try isLines ? JSONForm.lines(value) : JSONText.string(value, pretty: true)
    // An empty list has no line.
    if !text.isEmpty { StandardOutput.print(text) }
  }
}

/// The two forms of `--json`. Pure.
enum JSONForm {
  static let linesFlag = "json-lines"

  /// The words of a command, with `--json=lines` as the flag that ArgumentParser knows it by.
  /// - Throws: `CommandFailure` where another word is behind the `=`.
  static func split(_ words: [String]) throws -> [String] {
    // Behind `--` they are another program's.
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

  /// The elements of an array, one a line; anything else is one line.
  static func lines(_ value: some Encodable) throws -> String {
    let json = try JSONText.value(of: value)
    guard let elements = json.array else { return String(decoding: json.bytes, as: UTF8.self) }
    return elements.map { String(decoding: $0.bytes, as: UTF8.self) }.joined(separator: "\n")
  }
}

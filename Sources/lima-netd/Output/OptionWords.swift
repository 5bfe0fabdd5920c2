// SPDX-License-Identifier: Apache-2.0
//
// OptionWords: reports an unknown option or an invalid value with the most similar one. ArgumentParser names the word after
// an unknown option if that fits an argument, and suggests no similar values. Used for command lines that were refused.

import ArgumentParser
import Daemon

enum OptionWords {
  /// The message about the first unknown option; nil if there is none.
  static func unknown(_ arguments: [String], of root: any ParsableCommand.Type) -> String? {
    let (command, rest) = command(arguments, of: root)
    guard
      let tool = try? JSONText.decode(ToolDescription.self, from: Array(command._dumpHelp().utf8))
    else { return nil }
    var takesValue: [String: Bool] = ["--help": false, "--version": false]
    var shown: Set<String> = command == root ? ["--help", "--version"] : ["--help"]
    let defaults = command == root ? command.configuration.defaultSubcommand : nil
    let described =
      (tool.command.arguments ?? [])
      + (defaults.flatMap {
        try? JSONText.decode(ToolDescription.self, from: Array($0._dumpHelp().utf8))
      }?.command.arguments ?? [])
    for argument in described {
      for name in argument.names ?? [] {
        takesValue[name.text] = argument.kind == "option"
        if argument.shouldDisplay, name.text != "--version" { shown.insert(name.text) }
      }
    }
    var isValue = false
    for word in rest.prefix(while: { $0 != "--" }) {
      if isValue {
        isValue = false
        continue
      }
      guard word.hasPrefix("-"), word.count > 1 else { continue }
      let name = String(word.prefix { $0 != "=" })
      if let takes = takesValue[name] {
        isValue = takes && name == word
        continue
      }
      // ArgumentParser handles several short flags in one word, and negative numbers.
      guard word.hasPrefix("--") else { continue }
      let meant = Identifier.nearest(to: name, among: shown.sorted())
      return "Unknown option '\(name)'" + (meant.map { ". Did you mean '\($0)'?" } ?? "")
    }
    return nil
  }

  /// The refusal, with the similar option instead of ArgumentParser's conclusion.
  static func explained(
    _ message: String, _ arguments: [String], of root: any ParsableCommand.Type
  ) -> String {
    guard let sentence = unknown(arguments, of: root) else {
      let surplus = "Error: Unexpected argument 'lines'"
      if message.hasPrefix(surplus), arguments.contains("--json") {
        return surplus + ". Did you mean '--json=lines'?" + message.dropFirst(surplus.count)
      }
      return withNearestValue(message)
    }
    guard command(arguments, of: root).command != root else {
      return "Error: \(sentence)\n  See 'lima-netd --help' for more information."
    }
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    let usage = lines.drop { !$0.hasPrefix("Usage: ") }
    return (["Error: \(sentence)"] + usage.map(String.init)).joined(separator: "\n")
  }

  /// Adds the similar value to "The value 'inf' is invalid for ...  Please provide one of ...".
  static func withNearestValue(_ message: String) -> String {
    let beginning = "Error: The value '"
    guard message.hasPrefix(beginning),
      let offer = message.firstRange(of: ". Please provide one of")
    else { return message }
    let value = message.dropFirst(beginning.count).prefix { $0 != "'" }
    // Quoted words in one line, or a list with one per line.
    let rest = message[offer.upperBound...]
    let line = rest.prefix { $0 != "\n" }
    var known = line.split(separator: "'", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map { String($0.element) }
    if known.isEmpty {
      known = rest.split(separator: "\n").dropFirst().prefix { $0.hasPrefix("  - ") }
        .map { String($0.dropFirst(4)) }
    }
    guard let meant = Identifier.nearest(to: String(value), among: known) else { return message }
    return message[..<offer.lowerBound] + ". Did you mean '\(meant)'?"
      + message[message.index(after: offer.lowerBound)...]
  }

  /// The command named by the arguments, and the remaining arguments.
  private static func command(
    _ arguments: [String], of root: any ParsableCommand.Type
  ) -> (command: any ParsableCommand.Type, rest: ArraySlice<String>) {
    var command = root
    var rest = arguments[...]
    while let word = rest.first,
      let next = command.configuration.subcommands.first(where: {
        $0._commandName == word || $0.configuration.aliases.contains(word)
      })
    {
      command = next
      rest = rest.dropFirst()
    }
    if command != root, let byDefault = command.configuration.defaultSubcommand {
      command = byDefault
    }
    return (command, rest)
  }
}

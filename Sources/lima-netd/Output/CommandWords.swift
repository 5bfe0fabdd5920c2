// SPDX-License-Identifier: Apache-2.0
//
// CommandWords: reports an unknown command with the most similar one. ArgumentParser would take it for an argument of the
// default command, and show that command's usage. Pure.

import ArgumentParser
import Daemon
import Platform

enum CommandWords {
  struct Unknown: Error, Hashable, CustomStringConvertible {
    let word: String
    /// "network" for `network lss`; "" for top-level commands.
    let group: String
    let meant: String?

    var description: String {
      let place =
        group.isEmpty ? "There is no command `\(word)`" : "`\(group)` has no command `\(word)`"
      let program = (["lima-netd"] + (group.isEmpty ? [] : [group])).joined(separator: " ")
      return place + (meant.map { ". Did you mean `\($0)`?" } ?? "")
        + "\nThose there are:  \(program) --help"
    }
  }

  /// - Throws: `Unknown`.
  static func check(_ arguments: [String], of root: any ParsableCommand.Type) throws {
    var command = root
    var group: [String] = []
    for word in arguments {
      if group.isEmpty, ["version", "-v", "-V"].contains(word) {
        throw Unknown(word: word, group: "", meant: "--version")
      }
      let commands = command.configuration.subcommands
      guard !commands.isEmpty, !word.hasPrefix("-") else { return }
      // ArgumentParser's own command, allowed before any command.
      if word == "help", group.isEmpty { continue }
      if let next = commands.first(where: { names($0).contains(word) }) {
        command = next
        group.append(names(next)[0])
        continue
      }
      // It may be an argument of the default command.
      if let byDefault = command.configuration.defaultSubcommand,
        (try? byDefault.parse([word])) != nil
      {
        return
      }
      if word == "help" {
        throw Unknown(word: word, group: group.joined(separator: " "), meant: "--help")
      }
      let shown = commands.filter { $0.configuration.shouldDisplay }.flatMap(names)
      throw Unknown(
        word: word, group: group.joined(separator: " "),
        meant: Identifier.nearest(to: word, among: shown))
    }
  }

  /// The arguments of `exec` or `tap` with the missing `--` before the command. Nil if that is not the error.
  static func terminated(_ arguments: [String]) -> String? {
    guard ["exec", "tap"].contains(arguments.first), !arguments.contains("--"),
      // The longest prefix that is a network with options; `tap` needs a command after it.
      let end = arguments.indices.dropFirst().last(where: { index in
        Main.alone(Array(arguments[..<index]) + ["--", "true"]) != nil
      }), !arguments[end].hasPrefix("-")
    else { return nil }
    let own = ["lima-netd"] + arguments[..<end]
    let words = (own + ["--"] + arguments[end...]).map(ShellWord.quoted).joined(separator: " ")
    return "`\(arguments[end])` begins the command, which stands behind `--`:  \(words)"
  }

  private static func names(_ command: any ParsableCommand.Type) -> [String] {
    [command._commandName] + command.configuration.aliases
  }
}

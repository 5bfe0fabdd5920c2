// SPDX-License-Identifier: Apache-2.0
//
// CommandWords: a word in the place of a command that is none: told with the one that was meant. ArgumentParser takes it for
// an argument of the default command, and shows that one's usage. Pure.

import ArgumentParser
import Daemon
import Platform

enum CommandWords {
  struct Unknown: Error, Hashable, CustomStringConvertible {
    let word: String
    /// "network" for `network lss`; "" for commands of the program.
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
      // ArgumentParser's own, before any command.
      if word == "help", group.isEmpty { continue }
      if let next = commands.first(where: { names($0).contains(word) }) {
        command = next
        group.append(names(next)[0])
        continue
      }
      // It may be an argument of the command that is meant where none is given.
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

  /// Words for `exec` or `tap` whose command has no `--` before it: what was meant. Nil: that is not what is wrong.
  static func terminated(_ arguments: [String]) -> String? {
    guard ["exec", "tap"].contains(arguments.first), !arguments.contains("--"),
      // The longest beginning that is a network with options; `tap` wants a command behind it.
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

// SPDX-License-Identifier: Apache-2.0
//
// ToolDescription: a command with all its sub-commands, as ArgumentParser describes it (--experimental-dump-help). --help
// is generated from the same data.

struct ToolDescription: Decodable {
  var command: CommandDescription
}

struct CommandDescription: Decodable {
  var commandName: String
  var aliases: [String]?
  var abstract: String?
  var discussion: String?
  var shouldDisplay: Bool?
  var defaultSubcommand: String?
  var subcommands: [CommandDescription]?
  var arguments: [ArgumentDescription]?
}

struct ArgumentDescription: Decodable {
  struct Name: Decodable, Hashable {
    /// "long", "short", "longWithSingleDash"
    var kind: String
    var name: String

    var text: String { (kind == "long" ? "--" : "-") + name }
  }

  /// "positional", "option", "flag"
  var kind: String
  var shouldDisplay: Bool
  var isOptional: Bool
  var isRepeating: Bool
  /// "default", "postTerminator" ...: where its arguments are.
  var parsingStrategy: String?
  var names: [Name]?
  var preferredName: Name?
  var valueName: String?
  var defaultValue: String?
  var allValues: [String]?
  var abstract: String?
  var discussion: String?
}

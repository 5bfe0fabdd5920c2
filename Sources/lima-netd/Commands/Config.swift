// SPDX-License-Identifier: Apache-2.0
//
// config: networks.yaml without a daemon: `check` for users (ConfigCheck.swift) and `schema` for editors.

import ArgumentParser
import Daemon
import Platform

struct Config: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "config", abstract: "Check networks.yaml, and describe it to an editor.",
    discussion: """
        lima-netd config check
        lima-netd config schema >networks.schema.json
      """,
    subcommands: [ConfigCheck.self, ConfigSchema.self])
}

struct ConfigSchema: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema",
    abstract: "Print a JSON Schema of networks.yaml, with the plugins' options.",
    discussion: """
      For an editor that checks and completes YAML by a schema (yaml-language-server): write it to a file, and name that in \
      the first line of networks.yaml. It has the options of the plugins that are installed; make it anew when others are.

        lima-netd config schema >~/.lima/_config/networks.schema.json
        # yaml-language-server: $schema=networks.schema.json
      """)

  @OptionGroup var search: PluginSearchOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let schema = ConfigurationSchema.make(try search.report(home))
    StandardOutput.print(try JSONText.string(schema, pretty: true))
  }
}

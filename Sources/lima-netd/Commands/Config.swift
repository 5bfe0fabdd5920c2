// SPDX-License-Identifier: Apache-2.0
//
// config check, config schema: networks.yaml without a daemon, for people and for editors.

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

struct ConfigCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Say what is wrong in networks.yaml, by line, and change nothing.",
    discussion: """
      Options are checked with the schemas of the plugins that are installed. What a plugin refuses beyond its schema is told \
      when the network starts. The status is 1 where something is wrong.

        lima-netd config check
        lima-netd config check ./networks.yaml --plugin-dir ./plugins
      """)

  @Argument(
    help: "The file. (default: _config/networks.yaml in the Lima home)", completion: .file())
  var file: String?
  @OptionGroup var search: PluginSearchOptions
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let home = try home.resolveServed()
    let current = CurrentProcess.workingDirectory
    let path = file.map { LimaHome(path: $0, workingDirectory: current).path }
    let report = try Self.report(
      path ?? home.configFile, mayBeMissing: path == nil,
      directories: search.directories.map { LimaHome(path: $0, workingDirectory: current).path })
    try listing.show(report) {
      var lines = report.problems + report.warnings.map { "warning: \($0)" }
      if report.ok {
        lines.append(
          "\(report.file): \(Plural.text(report.networks.count, "network")), nothing wrong")
      }
      return lines.map(Paragraph.printable).joined(separator: "\n")
    }
    if !report.ok { throw ExitCode.failure }
  }

  private static func report(
    _ file: String, mayBeMissing: Bool, directories: [String]
  ) throws -> ConfigurationCheck {
    let configuration: Result<Configuration, ConfigError>
    do {
      configuration = .success(
        try Configuration.load(
          file, mayBeMissing: mayBeMissing, template: NetworkEditing.template))
    } catch let error as ConfigError {
      configuration = .failure(error)
    }
    return try ConfigurationCheck(file: file, configuration: configuration) { configuration in
      try PluginSurvey.registry(
        directories: directories + configuration.pluginDirectories,
        files: configuration.pinnedFiles,
        installation: PluginSearchOptions.installation())
    }
  }
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

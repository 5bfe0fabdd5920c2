// SPDX-License-Identifier: Apache-2.0
//
// networks.yaml and the options of its plugins, looked at without a daemon: what `config check` says.

package struct ConfigurationCheck: Codable, Sendable {
  package var file: String
  /// Nothing is wrong.
  package var ok: Bool
  /// Networks, the built-in ones included.
  package var networks: [String]
  /// FILE:LINE:COLUMN: KEY.PATH: what is wrong.
  package var problems: [String]
  package var warnings: [String]

  /// - Parameter registry: of the plugin folders that the configuration names, too; asked for once it could be read.
  package init(
    file: String, configuration: Result<Configuration, ConfigError>,
    registry: (Configuration) throws -> Registry
  ) throws {
    self.file = file
    problems = []
    warnings = []
    networks = []
    ok = false
    switch configuration {
    case .failure(let error):
      problems = error.problems.map { $0.text(file: error.file) }
    case .success(let configuration):
      networks = configuration.networks.map(\.name)
      warnings = configuration.warnings.map { $0.text(file: file) }
      let registry = try registry(configuration)
      for network in configuration.networks {
        do throws(ErrorReport) {
          let plan = try LaunchPlan(network: network, registry: registry, configFile: file)
          warnings += plan.warnings
        } catch {
          problems += error.message.split(separator: "\n").map(String.init)
        }
      }
      ok = problems.isEmpty
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Loads the configuration from its file.

import Platform

extension Configuration {
  /// - Parameter mayBeMissing: true for Lima's own file; a file named by the user must exist.
  /// - Parameter template: defaults for missing keys of `paths` and `group`.
  /// - Throws: `ConfigError`.
  package static func load(
    _ file: String, mayBeMissing: Bool, template: NetworksTemplate = .current
  ) throws -> Configuration {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try Files.read(file, limit: YAMLLimits().bytes)
    } catch  where error.errno == .noSuchFile && mayBeMissing {
      return ConfigDecoder.withoutFile(file, template: template)
    } catch {
      throw ConfigError(
        file: file,
        problems: [ConfigProblem(.unreadable(FileTrouble(error)?.reason(of: file) ?? error.reason))]
      )
    }
    return try ConfigDecoder.decode(
      bytes, file: file, homeDirectory: CurrentProcess.environment["HOME"] ?? "/",
      template: template)
  }
}

extension Configuration {
  /// Files of plugins that networks refer to by path.
  package var pinnedFiles: [String] {
    var pins: [PluginPin?] = []
    for network in networks {
      pins += [network.settings.plugin, network.settings.dns]
      pins += network.settings.dnsBehind.map { $0.pin }
    }
    return Set(
      pins.compactMap { pin in
        if case .some(.file(let path)) = pin { return path }
        return nil
      }
    ).sorted()
  }
}

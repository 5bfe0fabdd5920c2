// SPDX-License-Identifier: Apache-2.0
//
// The configuration from its file.

import Platform

extension Configuration {
  /// - Parameter mayBeMissing: Lima's own file need not be there; one that was asked for must.
  /// - Parameter template: what holds for `paths` and `group` that no file names.
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
  /// Files of plugins that networks name by path, outside of the folders.
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

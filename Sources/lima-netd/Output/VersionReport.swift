// SPDX-License-Identifier: Apache-2.0
//
// VersionReport: the output of `lima-netd --version`: version, commit, ABI, and the plugins installed with it.

import Daemon
import Platform
import PluginAPI

struct VersionReport: Encodable {
  var version = LimaNetd.version
  /// "unknown" if the build did not record it.
  var commit: String
  /// The plugin ABI's version: "1.0".
  var abi = "\(LND_ABI_MAJOR).\(LND_ABI_MINOR)"
  /// Of the files installed with lima-netd.
  var plugins: [Module] = []

  struct Module: Encodable {
    var file: String
    var names: [String]
    var version: String?
    /// The reason why it does not load.
    var error: String?
  }

  /// - Parameter executable: lima-netd's path; the plugins next to it are inspected.
  init(executable: String) {
    commit = Self.commit(executable) ?? "unknown"
    let survey = try? PluginSurvey.report(
      directories: [], installation: Installation(executable: executable))
    for file in survey?.files ?? [] {
      let inspection = file.inspection
      let error = inspection.ok ? nil : inspection.detail ?? "no reason is known"
      guard error != nil || (file.builtin && inspection.module != nil) else { continue }
      plugins.append(
        Module(
          file: inspection.file, names: (inspection.plugins ?? []).map(\.name),
          version: inspection.module?.version, error: error))
    }
  }

  var text: String {
    let lines =
      ["lima-netd \(version)", "commit \(commit)", "plugin ABI \(abi)"]
      + plugins.filter { $0.error == nil }.map {
        "plugin \($0.names.joined(separator: ", ")) \($0.version ?? "")"
      }
      + plugins.compactMap { plugin in
        plugin.error.map { "plugin \(plugin.file) does not load: \($0)" }
      }
    return lines.map(Paragraph.printable).joined(separator: "\n")
  }

  /// The commit of the build: from a file next to the build's products, or in lib/lima-netd when installed.
  static func commit(_ executable: String) -> String? {
    let installation = Installation(executable: executable)
    let places = [
      executable + ".commit",
      installation.pluginDirectory.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" }
        + "/commit",
    ]
    for place in places {
      guard let bytes = try? Files.read(place, limit: 256) else { continue }
      let word = String(decoding: bytes, as: UTF8.self).prefix {
        $0.isLetter || $0.isNumber || $0 == "-"
      }
      if !word.isEmpty { return String(word) }
    }
    return nil
  }
}

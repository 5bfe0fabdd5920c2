// SPDX-License-Identifier: Apache-2.0
//
// VersionText: what `lima-netd --version` says: version, commit, ABI, and the plugins that came with it.

import Daemon
import Platform
import PluginAPI

enum VersionText {
  /// - Parameter executable: lima-netd's own file; what lies beside it is looked at.
  static func text(_ executable: String) -> String {
    let installation = Installation(executable: executable)
    var lines = [LimaNetd.versionText]
    lines.append("commit \(commit(executable) ?? "unknown")")
    lines.append("plugin ABI \(LND_ABI_MAJOR).\(LND_ABI_MINOR)")
    guard let report = try? PluginSurvey.report(directories: [], installation: installation) else {
      return lines.joined(separator: "\n")
    }
    for file in report.files where file.builtin {
      guard let module = file.inspection.module else { continue }
      let names = (file.inspection.plugins ?? []).map(\.name).joined(separator: ", ")
      lines.append("plugin \(names) \(module.version)")
    }
    for file in report.files where !file.inspection.ok {
      lines.append(
        "plugin \(file.inspection.file) does not load: "
          + (file.inspection.detail ?? "no reason is known"))
    }
    return lines.map(Paragraph.printable).joined(separator: "\n")
  }

  /// What it was built from: a file beside the build's products, and in lib/lima-netd once installed.
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

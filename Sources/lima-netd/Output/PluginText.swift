// SPDX-License-Identifier: Apache-2.0
//
// PluginText: plugins as people read them.

import Daemon

enum PluginText {
  static func list(_ report: PluginsReport) -> String {
    var table = Table("KIND", "NAME", "MODES", "VERSION", "FILE", "NOTE")
    for file in report.files {
      guard file.inspection.ok else {
        table.add(
          nil, nil, nil, nil, file.inspection.file, "not loaded: \(file.inspection.detail ?? "")")
        continue
      }
      for plugin in file.inspection.plugins ?? [] {
        table.add(
          plugin.kind, plugin.name, plugin.modes.joined(separator: ","),
          file.inspection.module?.version, file.inspection.file,
          file.shadowedBy.map { "shadowed by \($0)" })
      }
    }
    guard !table.isEmpty else { return "No plugins." }
    // Warnings repeat what the notes say.
    return ([table.text] + report.errors.map { "error: \($0)" }).joined(separator: "\n")
  }

  static func details(_ inspection: Inspection) -> String {
    guard inspection.ok else {
      return "\(inspection.file) is not a usable plugin: \(inspection.detail ?? "no reason given")"
    }
    var lines: [String] = []
    for plugin in inspection.plugins ?? [] {
      let summary = plugin.summary.isEmpty ? "" : ": \(plugin.summary)"
      lines.append("\(plugin.name) (\(plugin.kind) plugin)\(summary)")
      if !plugin.modes.isEmpty {
        lines.append("  modes       \(plugin.modes.joined(separator: ", "))")
      }
      if plugin.kind == "network" {
        lines.append(
          "  guests      "
            + (plugin.isolated
              ? "isolated: each is alone with the plugin" : "switched: they share one Ethernet"))
      }
      if !plugin.extensions.isEmpty {
        lines.append("  extensions  \(plugin.extensions.joined(separator: ", "))")
      }
      lines += options(plugin.schema)
    }
    if let module = inspection.module {
      lines.append("module \(module.id) \(module.version), ABI 1.\(module.abiMinor)")
    }
    lines.append("file   \(inspection.file)")
    if let sha256 = inspection.sha256 { lines.append("sha256 \(sha256)") }
    return lines.joined(separator: "\n")
  }

  /// The properties of the schema, one a line: name, type, default, description.
  private static func options(_ schema: String?) -> [String] {
    guard let schema, let value = try? JSONText.decode(JSONValue.self, from: schema),
      let properties = value["properties"]?.object?.members, !properties.isEmpty
    else { return [] }
    var table = Table("OPTION", "TYPE", "DEFAULT", "MEANING")
    func add(_ properties: [JSONObject.Member], below path: String) {
      for member in properties {
        let property = member.value
        if let inner = property["properties"]?.object?.members, !inner.isEmpty {
          add(inner, below: path + member.name + ".")
          continue
        }
        table.add(
          path + member.name, property["type"]?.string,
          property["default"].flatMap { try? JSONText.string($0) }, property["description"]?.string)
      }
    }
    add(properties, below: "")
    return table.text.split(separator: "\n").map { "  " + $0 }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// PluginText: text about plugins for users.

import Daemon
import HostProtocol

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
    // The notes contain the warnings.
    return ([table.text] + report.errors.map { "error: \($0)" }).joined(separator: "\n")
  }

  static func details(_ inspection: Inspection) -> String {
    guard inspection.ok else {
      return "\(inspection.file) is not a usable plugin: \(inspection.detail ?? "no reason given")"
    }
    var lines: [String] = []
    for plugin in inspection.plugins ?? [] {
      lines += Paragraph.lines(
        "\(plugin.name) (\(plugin.kind) plugin)"
          + (plugin.summary.isEmpty ? "" : ": \(plugin.summary)"), first: "", indent: 2)
      func add(_ key: String, _ value: String) {
        lines += Paragraph.lines(
          value, first: "  " + key + String(repeating: " ", count: 12 - key.count), indent: 14)
      }
      if !plugin.modes.isEmpty { add("modes", plugin.modes.joined(separator: ", ")) }
      if plugin.kind == "network" {
        add(
          "guests",
          plugin.isolated
            ? "isolated: each is alone with the plugin" : "switched: they share one Ethernet")
        if plugin.needsTap { add("needs", "a TAP device of the host's (limanetd.tap/1)") }
      }
      if !plugin.extensions.isEmpty {
        add("extensions", plugin.extensions.joined(separator: ", "))
      }
      for text in needs(plugin.schema) { add("asks for", text) }
      lines += options(plugin.schema)
    }
    if let module = inspection.module {
      lines += Paragraph.lines(
        "\(module.id) \(module.version), ABI 1.\(module.abiMinor)", first: "module  ", indent: 8)
      for (key, value) in [("licence ", module.license), ("web     ", module.url)]
      where !value.isEmpty {
        lines += Paragraph.lines(value, first: key, indent: 8)
      }
    }
    lines.append("file    \(inspection.file)")
    if let sha256 = inspection.sha256 { lines.append("sha256  \(sha256)") }
    for skipped in inspection.skipped ?? [] {
      lines += Paragraph.lines(
        "\(skipped): this version of lima-netd knows no such kind", first: "skipped ", indent: 8)
    }
    for warning in warnings(inspection) {
      lines += Paragraph.lines(warning, first: "warning ", indent: 8)
    }
    return lines.joined(separator: "\n")
  }

  /// Findings about a file that can be loaded.
  static func warnings(_ inspection: Inspection) -> [String] {
    (inspection.warnings ?? [])
      + (inspection.plugins ?? []).compactMap { plugin in
        SchemaReview.problem(plugin.schema).map { "options_schema of \(plugin.name): \($0)" }
      }
  }

  /// What its process needs beyond other networks' processes.
  private static func needs(_ schema: String?) -> [String] {
    guard let root = schema.flatMap({ try? JSONText.decode(JSONValue.self, from: $0) }) else {
      return []
    }
    let capabilities = (root["x-capabilities"]?.array ?? []).compactMap(\.string)
    let files = (root["properties"]?.object?.members ?? []).compactMap { member in
      member.value["x-path"]?.string.map { "the file of \(member.name) (\($0))" }
    }
    return capabilities.map { "capability \($0)" } + files
  }

  /// The properties of the schema: name, values, default, and the description below.
  private static func options(_ schema: String?) -> [String] {
    guard let schema else { return ["  options     none"] }
    guard let value = try? JSONText.decode(JSONValue.self, from: schema) else {
      return ["  options     not to be listed: the plugin's schema is no JSON"]
    }
    guard let properties = value["properties"]?.object?.members, !properties.isEmpty else {
      return [
        value["additionalProperties"] == .bool(false)
          ? "  options     none" : "  options     any, which its schema does not list"
      ]
    }
    var lines = ["  options"]
    func add(_ schema: JSONValue, below path: String) {
      let required = Set(schema["required"]?.array?.compactMap(\.string) ?? [])
      for member in schema["properties"]?.object?.members ?? [] {
        let property = member.value
        if let inner = property["properties"]?.object?.members, !inner.isEmpty {
          if let meaning = property["description"]?.string {
            lines += Paragraph.lines("\(path)\(member.name): \(meaning)", indent: 4)
          }
          add(property, below: path + member.name + ".")
          continue
        }
        var words = "\(path)\(member.name): \(OptionText.values(property))"
        if let value = property["default"] { words += "; default \(OptionText.text(value))" }
        if required.contains(member.name) { words += "; required" }
        lines += Paragraph.lines(words, indent: 4)
        if let meaning = property["description"]?.string, !meaning.isEmpty {
          lines += Paragraph.lines(meaning, indent: 8)
        }
      }
    }
    add(value, below: "")
    return lines
  }
}

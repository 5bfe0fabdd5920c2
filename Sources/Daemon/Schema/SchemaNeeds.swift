// SPDX-License-Identifier: Apache-2.0
//
// SchemaNeeds: additional permissions of a plugin's process from its schema: files named by options (`"x-path": "read"` or
// `"write"` in a property of type string, or array of strings), and capabilities of root (`"x-capabilities": ["net_admin"]`
// at the top).

import Platform

package struct SchemaNeeds: Sendable, Hashable, Codable {
  package var readable: [String] = []
  package var writable: [String] = []
  /// Requested capabilities that a plugin may have.
  package var capabilities: Set<Capability> = []
  /// Requested capabilities that are refused.
  package var refused: [String] = []
}

extension Schema {
  /// - Parameter options: validated, with defaults.
  package func needs(with options: JSONObject) -> SchemaNeeds {
    var needs = SchemaNeeds()
    for name in strings(at: "x-capabilities") {
      if let capability = Capability(name: name) {
        needs.capabilities.insert(capability)
      } else {
        needs.refused.append(name)
      }
    }
    for (name, kind) in pathProperties {
      let value = options[name]
      let paths = (value?.string.map { [$0] } ?? value?.array?.compactMap(\.string) ?? [])
        .filter { $0.hasPrefix("/") }
      if kind == "write" { needs.writable += paths } else { needs.readable += paths }
    }
    return needs
  }
}

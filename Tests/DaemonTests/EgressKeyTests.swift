// SPDX-License-Identifier: Apache-2.0
//
// `egress:` of a network in networks.yaml: its plugin's option.

import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct EgressKeyTests {
  private func decode(_ lines: String) throws -> NetworkConfiguration? {
    let yaml = "networks:\n  lab:\n    mode: slirp\n\(lines)"
    return try ConfigDecoder.decode(
      Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h"
    ).networks.first { $0.name == "lab" }
  }

  @Test func `it is given to the plugin, with the place of each of its parts`() throws {
    let network = try #require(
      try decode(
        """
            egress:
              default: deny
              rules:
              - allow: 10.0.0.0/8
                ports: [443, 8000-8100]

        """))
    #expect(
      network.settings.options["egress"]
        == [
          "default": "deny", "rules": [["allow": "10.0.0.0/8", "ports": [443, "8000-8100"]]],
        ])
    #expect(network.mark(at: "/options/egress/rules/0/allow")?.line == 7)
  }

  @Test func `a preset is a text, and none is none`() throws {
    #expect(try decode("    egress: internet\n")?.settings.options["egress"] == "internet")
    #expect(try decode("    egress: none\n")?.settings.options["egress"] == "none")
    #expect(try decode("    egress:\n")?.settings.options["egress"] == nil)
  }

  @Test func `it stands once`() {
    #expect {
      try decode("    options: {egress: all}\n    egress: internet\n")
    } throws: {
      "\($0)".contains("networks.yaml:5:5") && "\($0)".contains("keep one `egress`")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// plugin info: what a plugin says of itself, whole, in lines that fit, with every limit of its options.

import Daemon
import HostProtocol
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(5))) struct PluginTextTests {
  private func details(
    schema: String?, summary: String = "a test", modes: [String] = ["x", "y"], url: String = ""
  ) -> String {
    PluginText.details(
      Inspection(
        file: "/p/liblima-net-x.so", sha256: "ab",
        module: .init(id: "org.x", version: "1.2", license: "MIT", url: url, abiMinor: 0),
        plugins: [
          .init(
            kind: "network", name: "x", summary: summary, modes: modes, isolated: true,
            schema: schema, extensions: ["limanetd.lease/1"])
        ]))
  }

  @Test func optionsAreListedWithTheirLimitsAndThoseInside() {
    #expect(
      details(
        schema: """
          {"required":["mtu"],
           "properties":{"mtu":{"type":"integer","minimum":576,"maximum":65520,"default":1500,"description":"Bytes."},
           "tcp":{"type":"object","properties":{"idle":{"type":"integer"}}}}}
          """)
          == """
          x (network plugin): a test
            modes       x, y
            guests      isolated: each is alone with the plugin
            extensions  limanetd.lease/1
            options
              mtu: 576 to 65520; default 1500; required
                  Bytes.
              tcp.idle: a whole number
          module  org.x 1.2, ABI 1.0
          licence MIT
          file    /p/liblima-net-x.so
          sha256  ab
          """)
  }

  @Test(arguments: [
    (#"{"type":"integer","minimum":1}"#, "a whole number, 1 or more"),
    (#"{"type":"integer","maximum":-1}"#, "a whole number, -1 or less"),
    (#"{"type":"number","minimum":0.5,"maximum":2}"#, "0.5 to 2, also parts"),
    (#"{"type":"number","exclusiveMinimum":0}"#, "a number, more than 0"),
    (#"{"type":"integer","multipleOf":4}"#, "a whole number, in steps of 4"),
    (#"{"type":"boolean"}"#, "true or false"),
    (#"{"enum":["client","gateway","a b"]}"#, #"client, gateway or "a b""#),
    (#"{"const":7}"#, "7"),
    (#"{"type":"string"}"#, "a text"),
    (#"{"type":"string","format":"ipv4"}"#, "an IPv4 address"),
    (#"{"type":"string","minLength":1,"maxLength":190}"#, "a text of 1 to 190 characters"),
    (#"{"type":"string","maxLength":1}"#, "a text of at most 1 character"),
    (#"{"type":"string","pattern":"^a+$"}"#, "a text that matches ^a+$"),
    (
      #"{"type":"array","maxItems":32,"items":{"type":"string","minLength":1,"maxLength":253}}"#,
      "a list of at most 32 members, each a text of 1 to 253 characters"
    ),
    (#"{"type":"array","minItems":1,"maxItems":1}"#, "a list of 1 member"),
    (
      #"{"type":"object","maxProperties":4096,"additionalProperties":{"type":"string","format":"ipv4"}}"#,
      "at most 4096 names and values, each value an IPv4 address"
    ),
    (#"{"type":["integer","string"]}"#, "a whole number or a text"),
    (#"{"oneOf":[{"type":"boolean"},{"type":"integer"}]}"#, "true or false or a whole number"),
    ("{}", "anything"),
  ])
  func everyLimitIsTold(schema: String, words: String) throws {
    #expect(OptionText.values(try JSONText.decode(JSONValue.self, from: schema)) == words)
  }

  @Test func longTextsAndManyModesAreWhole() {
    let words = (1...60).map { "word\($0)" }
    let modes = (1...40).map { "mode\($0)" }
    let text = details(
      schema:
        #"{"properties":{"x":{"type":"string","description":"\#(words.joined(separator: " "))\n\nsecond\u0007 part"}}}"#,
      summary: words.joined(separator: " "), modes: modes,
      url: "https://example.org/" + String(repeating: "u", count: 90))
    for word in words + modes + ["second?", "part"] { #expect(text.contains(word), "\(word)") }
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.allSatisfy { $0.count <= 80 || !$0.dropFirst(8).contains(" ") }, "\(text)")
    #expect(!lines.contains { $0.isEmpty || $0.contains("\u{7}") })
  }

  @Test func aPluginWithoutOptionsSaysSo() {
    #expect(details(schema: nil).contains("\n  options     none\n"))
    #expect(
      details(schema: #"{"type":"object","additionalProperties":false}"#).contains(
        "\n  options     none\n"))
    #expect(details(schema: "{}").contains("options     any"))
    #expect(details(schema: "{").contains("no JSON"))
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What the supervisor lets a network's process keep: by the plugins' schemas, the configuration, and a list of names.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct ConfinementTests {
  private func needs(_ schema: String, _ options: JSONObject) throws -> SchemaNeeds {
    try #require(Schema(text: schema)).needs(with: options)
  }

  @Test func optionsThatNameFilesAreReachedAsTheirSchemaSays() throws {
    let schema = #"""
      {"type":"object","properties":{
        "zone":{"type":"string","x-path":"read"},
        "more":{"type":"array","items":{"type":"string"},"x-path":"read"},
        "journal":{"type":"string","x-path":"write"},
        "name":{"type":"string"}}}
      """#
    let found = try needs(
      schema,
      [
        "zone": .string("/srv/zones/lab"), "more": .array([.string("/a/b"), .string("relative")]),
        "journal": .string("/var/j/x"), "name": .string("/not/a/path"),
      ])
    #expect(found.readable == ["/srv/zones/lab", "/a/b"])
    #expect(found.writable == ["/var/j/x"])
  }

  @Test func anAbsentOptionAndASchemaOfNonsenseNeedNothing() throws {
    #expect(
      try needs(#"{"properties":{"zone":{"x-path":"read"}}}"#, [:]) == SchemaNeeds())
    #expect(
      try needs(#"{"properties":7,"x-capabilities":{"a":1}}"#, ["a": .string("/b")])
        == SchemaNeeds())
    #expect(
      try needs(#"{"properties":{"zone":{"x-path":7}}}"#, ["zone": .string("/b")])
        == SchemaNeeds())
  }

  @Test func capabilitiesBeyondTheNetworksAreRefused() throws {
    let found = try needs(#"{"x-capabilities":["net_admin","CAP_NET_RAW","sys_admin",3]}"#, [:])
    #expect(found.capabilities == [.netAdmin, .netRaw])
    #expect(found.refused == ["sys_admin"])
  }

  @Test func theEnvironmentIsAListOfNames() {
    let kept = HostEnvironment.variables(of: [
      "PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "LIMA_NETD_LOG": "debug",
      "RES_OPTIONS": "use-vc",
      "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "y", "https_proxy": "http://u:p@proxy",
      "SSH_AUTH_SOCK": "/s", "LIMA_NETDX": "z",
    ])
    #expect(
      kept == [
        "HOME=/h", "LC_ALL=C", "LIMA_NETD_LOG=debug", "PATH=/bin", "RES_OPTIONS=use-vc",
        "SWIFT_BACKTRACE=enable=no",
      ])
  }

  @Test func whoWantsBacktracesHasThem() {
    #expect(
      HostEnvironment.variables(of: ["SWIFT_BACKTRACE": "enable=yes"])
        == ["SWIFT_BACKTRACE=enable=yes"])
  }

  @Test(arguments: [
    ("off", false), ("on", true), ("false", false), ("true", true), ("no", false), ("yes", true),
    ("", true),
  ])
  func sandboxIsOnUnlessItIsOff(text: String, isConfined: Bool) throws {
    let yaml = "networks:\n  lab:\n    mode: slirp\n    sandbox: \(text)\n"
    let configuration = try ConfigDecoder.decode(
      Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h")
    let network = try #require(configuration.networks.first { $0.name == "lab" })
    #expect(network.settings.isConfined == isConfined)
  }

  @Test func anotherWordForSandboxIsAnErrorWithItsPlace() {
    let yaml = "networks:\n  lab:\n    mode: slirp\n    sandbox: maybe\n"
    #expect {
      try ConfigDecoder.decode(Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h")
    } throws: { error in
      "\(error)".contains("networks.yaml:4:14") && "\(error)".contains("on or off")
    }
  }
}

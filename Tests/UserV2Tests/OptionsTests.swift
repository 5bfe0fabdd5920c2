// SPDX-License-Identifier: Apache-2.0

import LibC
import LimaNetdSDK
import NetStack
import PluginAPI
import Testing
import Wire

@testable import UserV2Core

@Suite(.timeLimit(.minutes(5))) struct OptionsTests {
  private func options(_ text: String) throws -> UserV2Options {
    try UserV2Options(Options(parsing: text))
  }

  @Test func `the router is the network's second, whatever Lima's gateway says`() throws {
    #expect(try options("{}").router == IPAddress(192, 168, 104, 2))
    let other = try options(#"{"gateway": "10.0.7.254", "netmask": "255.255.255.0"}"#)
    #expect(other.router == IPAddress(10, 0, 7, 2))
    #expect(other.lastAddress == IPAddress(10, 0, 7, 254))
    #expect(try options(#"{"router": "192.168.104.9"}"#).router == IPAddress(192, 168, 104, 9))
  }

  @Test(arguments: [
    (#"{"gateway": "192.168.104.0"}"#, "/gateway"),
    (#"{"netmask": "255.255.255.252"}"#, "/netmask"),
    (#"{"router": "10.0.0.1"}"#, "/router"),
    (#"{"dhcpEnd": "192.168.105.1"}"#, "/dhcpEnd"),
    (#"{"dhcpEnd": "192.168.104.2"}"#, "/dhcpEnd"),
    (#"{"domain": "a..b"}"#, "/domain"),
    (#"{"mtu": 100}"#, "/mtu"),
    (#"{"reservations": {"52:55:55:00:00": "192.168.104.9"}}"#, "/reservations/52:55:55:00:00"),
    (
      #"{"reservations": {"53:55:55:00:00:01": "192.168.104.9"}}"#,
      "/reservations/53:55:55:00:00:01"
    ),
    (
      #"{"reservations": {"52:55:55:00:00:01": "192.168.104.2"}}"#,
      "/reservations/52:55:55:00:00:01"
    ),
    (#"{"reservations": {"52:55:55:00:00:01": "10.0.0.1"}}"#, "/reservations/52:55:55:00:00:01"),
    (
      #"{"reservations": {"52:55:55:00:00:01": "192.168.104.9", "52:55:55:00:00:02": "192.168.104.9"}}"#,
      "/reservations/52:55:55:00:00:02"
    ),
  ])
  func `a bad option is named`(text: String, pointer: String) {
    #expect {
      try options(text)
    } throws: {
      let failure = $0 as? PluginFailure
      return failure?.status == LND_ERR_INVALID_CONFIG && failure?.jsonPointer == pointer
        && failure?.text.isEmpty == false
    }
  }

  @Test func `the guests' domain is searched last, and once`() throws {
    #expect(
      try options(#"{"search": ["lan"]}"#).settings.search(host: ["corp"]) == ["lan", "internal"])
    #expect(
      try options(#"{"search": ["internal", "lan"]}"#).settings.search(host: []) == [
        "internal", "lan",
      ])
    #expect(
      try options("{}").settings.search(host: ["corp.example"]) == ["corp.example", "internal"])
    #expect(try options(#"{"search": []}"#).settings.search(host: ["corp.example"]) == ["internal"])
  }

  @Test func `the schema in the plugin is schema.json`() throws {
    let path = #filePath.replacing("Tests/UserV2Tests/OptionsTests.swift", with: "")
    let file = try #require(fopen(path + "Plugins/userv2/schema.json", "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = fread(&bytes, 1, bytes.count, file)
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    #expect(try JSONValue(parsing: text) == JSONValue(parsing: UserV2.schema))
  }
}

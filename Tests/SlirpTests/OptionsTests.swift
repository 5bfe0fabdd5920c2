// SPDX-License-Identifier: Apache-2.0

import LibC
import LimaNetdSDK
import NetStack
import PluginAPI
import Testing
import Wire

@testable import SlirpCore

@Suite(.timeLimit(.minutes(5))) struct OptionsTests {
  private func failure(_ options: String) -> TestHost.Failure? {
    do {
      _ = try TestHost(options: options)
      return nil
    } catch {
      return error as? TestHost.Failure
    }
  }

  @Test func `the addresses follow the gateway's network`() throws {
    let options = try SlirpOptions(Options(parsing: #"{"gateway": "10.0.2.2"}"#))
    #expect(options.address == IPAddress(10, 0, 2, 15))
    #expect(options.dns == IPAddress(10, 0, 2, 3))
    let small = try SlirpOptions(
      Options(parsing: #"{"gateway": "10.1.1.2", "netmask": "255.255.255.248"}"#))
    #expect(small.address == IPAddress(10, 1, 1, 4))
  }

  @Test(arguments: [
    (#"{"gateway": "192.168.5"}"#, "/gateway"),
    (#"{"gateway": "192.168.5.0"}"#, "/gateway"),
    (#"{"gateway": "fd00::2"}"#, "/gateway"),
    (#"{"gateway": 5}"#, "/gateway"),
    (#"{"netmask": "255.0.255.0"}"#, "/netmask"),
    (#"{"netmask": "255.255.255.252"}"#, "/netmask"),
    (#"{"address": "192.168.6.15"}"#, "/address"),
    (#"{"address": "192.168.5.2"}"#, "/address"),
    (#"{"dns": "8.8.8.8"}"#, "/dns"),
    (#"{"mtu": 100}"#, "/mtu"),
    (#"{"forwardSource": "host"}"#, "/forwardSource"),
    (#"{"forwardSource": true}"#, "/forwardSource"),
    (#"{"search": ["a", 5]}"#, "/search/1"),
    (#"{"search": ["lan", "a..b"]}"#, "/search/1"),
    (#"{"search": ["under_score.example", "spa ce"]}"#, "/search/1"),
    (#"{"tcp": 7}"#, "/tcp"),
    (#"{"udp": {"maxFlows": 0}}"#, "/udp/maxFlows"),
    (#"{"tcp": {"congestion": "bbr"}}"#, "/tcp/congestion"),
    (#"{"tcp": {"congestion": 1}}"#, "/tcp/congestion"),
  ])
  func `a bad option is named`(options: String, pointer: String) {
    let failure = failure(options)
    #expect(failure?.status == LND_ERR_INVALID_CONFIG)
    #expect(failure?.pointer == pointer)
    #expect(failure?.text.isEmpty == false)
  }

  @Test func `the congestion control is reno unless cubic is asked for, and the stack has it`()
    throws
  {
    func algorithm(_ text: String) throws -> CongestionAlgorithm {
      try SlirpOptions(Options(parsing: text)).stackConfig.congestion
    }
    #expect(try algorithm("{}") == .newReno)
    #expect(try algorithm(#"{"tcp": {"congestion": "reno"}}"#) == .newReno)
    #expect(try algorithm(#"{"tcp": {"congestion": "cubic"}}"#) == .cubic)
  }

  @Test func `the gateway may be the DNS address, as on Lima's VZ`() throws {
    let options = try SlirpOptions(Options(parsing: #"{"dns": "192.168.5.2"}"#))
    #expect(options.dns == options.gateway)
  }

  @Test func `the schema in the plugin is schema.json`() throws {
    let path = #filePath.replacing("Tests/SlirpTests/OptionsTests.swift", with: "")
    let file = try #require(fopen(path + "Plugins/slirp/schema.json", "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65536)
    let count = fread(&bytes, 1, bytes.count, file)
    let text = String(decoding: bytes.prefix(count), as: UTF8.self)
    #expect(try JSONValue(parsing: text) == JSONValue(parsing: Slirp.schema))
  }
}

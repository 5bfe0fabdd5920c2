// SPDX-License-Identifier: Apache-2.0
//
// IPv6 in the options of a plugin, and the network's own prefix.

import Foundation
import LimaNetdSDK
import NetStack
import Testing
import Wire

@testable import Gateway

@Suite("IPv6 options", .timeLimit(.minutes(5)))
struct IPv6OptionsTests {
  private func options(_ text: String) throws -> IPv6Options {
    try IPv6Options(Options(try JSONValue(parsing: text)))
  }

  @Test("a gateway says which network, and a network which gateway")
  func good() throws {
    let nothing = try options("{}")
    #expect(nothing.isOn && nothing.prefix == nil && nothing.gateway == nil)
    #expect(try !options(#"{"ipv6": false}"#).isOn)
    let gateway = try options(#"{"gateway6": "2001:db8:1::99"}"#)
    #expect(gateway.prefix == CIDR("2001:db8:1::/64"))
    let both = try options(#"{"prefix6": "fd00:1::/64", "gateway6": "fd00:1::1"}"#)
    #expect(both.gateway == IPAddress("fd00:1::1") && both.prefix == CIDR("fd00:1::/64"))
  }

  @Test(
    "what no guest's network can be is refused, and which option it is said by",
    arguments: [
      (#"{"prefix6": "fd00:1::/48"}"#, "/prefix6"), (#"{"prefix6": "fd00:1::1/64"}"#, "/prefix6"),
      (#"{"prefix6": "fe80::/64"}"#, "/prefix6"), (#"{"prefix6": "ff02::/64"}"#, "/prefix6"),
      (#"{"prefix6": "10.0.0.0/24"}"#, "/prefix6"), (#"{"prefix6": "::/64"}"#, "/prefix6"),
      (#"{"gateway6": "fe80::1"}"#, "/gateway6"), (#"{"gateway6": "fd00:1::"}"#, "/gateway6"),
      (#"{"gateway6": "192.168.5.2"}"#, "/gateway6"),
      (#"{"prefix6": "fd00:1::/64", "gateway6": "fd00:2::1"}"#, "/gateway6"),
    ])
  func bad(_ text: String, _ pointer: String) throws {
    let failure = #expect(throws: PluginFailure.self) { try options(text) }
    #expect(failure?.text.isEmpty == false && "\(String(describing: failure))".contains(pointer))
  }

  @Test("a network without a prefix gets one of RFC 4193 for good")
  func prefixFile() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prefix\(getpid())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = PrefixFile(directory: folder.path, file: "test-prefix6")
    var random = SystemRandomNumberGenerator()
    var said: [String] = []
    let first = file.prefix(&random) { said.append($0) }
    #expect(first.prefixLength == 64 && first.network.high >> 56 == 0xfd)
    #expect(first.network.high & 0xffff == 0)
    let second = file.prefix(&random) { said.append($0) }
    #expect(second == first && said.isEmpty)
    // A file that somebody else wrote.
    try "192.168.5.0/24".write(
      toFile: folder.path + "/test-prefix6", atomically: true, encoding: .utf8)
    let third = file.prefix(&random) { said.append($0) }
    #expect(third != first && said.count == 1)
    let nowhere = PrefixFile(directory: "", file: "x")
    #expect(nowhere.prefix(&random) { _ in } != nowhere.prefix(&random) { _ in })
  }
}

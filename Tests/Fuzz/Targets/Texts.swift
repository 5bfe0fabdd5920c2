// SPDX-License-Identifier: Apache-2.0
//
// Texts of users, plugins and the supervisor: addresses, JSON, messages. What is read is
// written so that it reads the same.

import HostProtocol
import JSONCoding
import LimaNetdSDK
import NetStack
import Wire

extension FuzzTarget {
  private static func texts(_ list: [String]) -> [[UInt8]] { list.map { Array($0.utf8) } }

  static let addresses = FuzzTarget(
    "addresses",
    seeds: texts([
      "192.168.5.15", "::ffff:1.2.3.4", "fe80::1%2", "1:2:3:4:5:6:7:8", "::", "[::1]:80",
      "127.0.0.1:8080", "10.0.0.0/8", "fd00::/64", "52:55:55:12:34:56", "1.2.3.256", "1::2::3",
    ])
  ) { bytes in
    let text = String(decoding: bytes, as: UTF8.self)
    if let value = IPAddress(text) { expectFuzz(IPAddress(value.description) == value, text) }
    if let value = CIDR(text) { expectFuzz(CIDR(value.description) == value, text) }
    if let value = Endpoint(text) { expectFuzz(Endpoint(value.description) == value, text) }
    if let value = MACAddress(text) { expectFuzz(MACAddress(value.description) == value, text) }
  }

  private static let jsonSeeds = texts([
    "{}", "[]", "null", "true", "-0", "1e3", "1.5", "18446744073709551615", "\"\\ud83d\\ude00\"",
    "\"\\u0000\"", "{\"a\":[1,{\"b\":\"c\"}],\"a\":2}", "[[[[[[[[]]]]]]]]", "\"\\ud800\"", "1e999",
    "[1,]", "{\"a\" : }", "\u{feff}1", "\"\t\"", "01", "-", "\"é\"",
  ])

  static let json = FuzzTarget("json", seeds: jsonSeeds) { bytes in
    guard let value = try? JSONValue(parsing: bytes) else { return }
    let text = value.text
    expectFuzz((try? JSONValue(parsing: text)) == value, "read back: \(text)")
    expectFuzz((try? JSONValue(parsing: value.prettyText)) == value, "pretty: \(text)")
  }

  /// Whatever a user writes as options of a plugin.
  static let options = FuzzTarget("options", seeds: jsonSeeds) { bytes in
    guard let options = try? Options(parsing: String(decoding: bytes, as: UTF8.self)) else {
      return
    }
    _ = try? options.string("a")
    _ = try? options.strings("a")
    _ = try? options.object("a").bool("b")
  }

  static let hostMessages = FuzzTarget(
    "host-messages",
    seeds: texts([
      #"{"id":1,"body":{"status":{}}}"#, #"{"id":18446744073709551615,"body":{}}"#,
      #"{"reply":{"id":1,"result":{"ok":{}}}}"#, #"{"id":"1"}"#, #"{"id":-1,"body":null}"#,
    ]) + samples
  ) { bytes in
    _ = HostCodec.requestID(bytes)
    if let request = try? HostCodec.decodeRequest(bytes) {
      guard let again = try? HostCodec.encode(request.body, id: request.id) else {
        return expectFuzz(false, "a request is encoded")
      }
      let second = try? HostCodec.decodeRequest(again)
      expectFuzz(
        second?.body == request.body && second?.id == request.id, "a request read back")
    }
    if let message = try? HostCodec.decodeMessage(bytes) {
      guard let again = try? HostCodec.encode(message) else {
        return expectFuzz(false, "a message is encoded")
      }
      expectFuzz((try? HostCodec.decodeMessage(again)) == message, "a message read back")
    }
  }

  private static let samples: [[UInt8]] = {
    let requests: [HostRequest] = [
      .addPort(PortSpec(id: 1, transport: .stream, mac: "52:55:55:12:34:56")),
      .addUnixgramListener(ListenerSpec(id: 2, guests: ["a"])), .status, .removePort(3),
    ]
    return requests.compactMap { try? HostCodec.encode($0, id: 7) }
  }()
}

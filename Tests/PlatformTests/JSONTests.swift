// SPDX-License-Identifier: Apache-2.0
import HostProtocol
import JSONCoding
import Testing

@Suite(.timeLimit(.minutes(5))) struct JSONTests {
  @Test func valuesSurviveTheirText() throws {
    let text = #"{"a":[1,-2,18446744073709551615,1.5,true,false,null],"b":{"c":"x\"\\\n\u0001é😀"}}"#
    #expect(try JSONValue(parsing: text).text == text)
    #expect(try JSONValue(parsing: " [ ] ").prettyText == "[]")
    #expect(try JSONValue(parsing: #"{"a":[1]}"#).prettyText == "{\n  \"a\": [\n    1\n  ]\n}")
    #expect(try JSONValue(parsing: #""\u00e9\ud83d\ude00\/\\\b""#).string == "é😀/\\\u{8}")
    let value: JSONValue = [
      "text": "a \"quoted\" line\n\u{1F600}\u{7f}", "number": 42, "negative": -7,
      "real": .double(1.5), "list": [true, false, nil], "empty": [:], "none": [],
      "counter": JSONValue(UInt64.max), "small": JSONValue(UInt8(7)),
    ]
    #expect(try JSONValue(parsing: value.text) == value)
  }

  @Test func whatIsNotJSONIsRefused() {
    let bad = [
      "", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", "-", "tru", "\"\\x\"", "\"\n\"",
      "[1] 2", "\"\\ud800\"", "\"\\udc00x\"", "1e999", "{\"a\":1,\"a\":2}", "nul", "\"abc",
      "{\"a\"}", "[1 2]", "\u{feff}1", ".5", "+1",
    ]
    for text in bad {
      #expect(throws: JSONSyntaxError.self, "\(text)") { try JSONValue(parsing: text) }
    }
    #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: [0x22, 0xff, 0x22]) }
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: deep) }
  }

  private struct Many: Codable, Equatable {
    var list: [Int]
    var names: [String: Int]

    init(_ count: Int) {
      list = Array(0..<count)
      names = Dictionary(uniqueKeysWithValues: list.map { ("n\($0)", $0) })
    }
  }

  /// Ten times as many elements take about ten times as long, not a hundred times.
  @Test func codingIsLinear() throws {
    func best(_ count: Int) throws -> Duration {
      let value = Many(count)
      let times = try (0..<3).map { _ in
        try ContinuousClock().measure {
          let bytes = try JSONCoder.encode(value)
          #expect(try JSONCoder.decode(Many.self, from: bytes) == value)
        }
      }
      return times.min() ?? .zero
    }
    #expect(try best(20_000) < best(2_000) * 40)
  }

  @Test func ofMembersWithOneNameTheLastCounts() {
    let object = JSONObject([("a", 1), ("b", 2), ("a", 3)])
    #expect(JSONValue.object(object).text == #"{"a":3,"b":2}"#)
    #expect(object.byName == ["a": 3, "b": 2])
    #expect((["a": 1, "b": 2] as JSONObject) + ["c": 3, "a": 4] == ["a": 4, "b": 2, "c": 3])
  }

  @Test func noBytesMakeTheParserTrap() {
    let seed = Array(#"{"a":[1,-2.5e3,"\u00e9\n",true,null],"b":{}}"#.utf8)
    var state: UInt64 = 1
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<20000 {
      var bytes = seed
      for _ in 0...random(4) {
        switch random(3) {
        case 0: bytes[random(bytes.count)] = UInt8(random(256))
        case 1: bytes.remove(at: random(bytes.count))
        default: bytes.insert(UInt8(random(256)), at: random(bytes.count))
        }
      }
      guard let value = try? JSONValue(parsing: bytes) else { continue }
      #expect(throws: Never.self) { try JSONValue(parsing: value.bytes) }
    }
  }

  @Test func requestsRepliesAndEventsSurviveTheWire() throws {
    let plugin = PluginRef(file: "/p.so", name: "p", sha256: "00")
    let requests: [HostRequest] = [
      .start(NetworkSpec(name: "n", mode: "m", plugin: plugin, options: "{\"a\":1}", dns: plugin)),
      .addPort(PortSpec(id: .max, transport: .tap, name: "vm", mac: "52:55:55:00:00:01")),
      .expose(ForwardSpec(protocol: .unix, host: "/a", guest: "1.2.3.4:5")),
      .removePort(3), .reserveLease(port: 4), .status, .stop, .networkChanged,
    ]
    for (index, request) in requests.enumerated() {
      let bytes = try HostCodec.encode(request, id: UInt64(index))
      let decoded = try HostCodec.decodeRequest(bytes)
      #expect(decoded.id == UInt64(index))
      #expect(decoded.body == request)
      #expect(HostCodec.requestID(bytes) == UInt64(index))
    }
    var port = PortStatus(id: 1, name: "vm", kind: "tap")
    port.counters = ["rxRunt": 2]
    let messages: [HostMessage] = [
      .reply(id: 1, .ok), .reply(id: 2, .status(HostStatus(ports: [port]))),
      .reply(id: 3, .failed(HostError(.exists, "taken", jsonPointer: "/a~1b"))),
      .reply(id: 4, .resolved(Resolved(message: "AA==", milliseconds: 1.25))),
      .event(.guestUp(id: 1 << 33, name: "", listener: 2, address: "/vm.sock")),
      .event(.fatal(HostError(.internal, "x"))),
    ]
    for message in messages {
      #expect(try HostCodec.decodeMessage(HostCodec.encode(message)) == message)
    }
  }

  @Test func aValueOfTheWrongTypeIsAnErrorWithItsPlace() {
    let text = #"{"id":1,"body":{"addPort":{"_0":{"id":-1}}}}"#
    #expect(throws: DecodingError.self) { try HostCodec.decodeRequest(Array(text.utf8)) }
  }

  @Test func anErrorNamesTheOptionInWords() {
    let error = HostError(.invalidConfig, "bad", jsonPointer: "/a~1b/0", plugin: "slirp")
    #expect(error.description == "options.a/b.0: bad (plugin slirp)")
  }
}

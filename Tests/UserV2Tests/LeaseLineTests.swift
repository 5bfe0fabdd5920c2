// SPDX-License-Identifier: Apache-2.0

import Gateway
import LimaNetdSDK
import TestSupport
import Testing
import Wire

@Suite(.timeLimit(.minutes(1))) struct LeaseLineTests {
  private func line(_ address: IPAddress, name: String = "", expiry: UInt64? = nil) -> LeaseLine {
    LeaseLine(
      address: address, mac: MACAddress(0x5255_550a_0b0c), name: name, hostname: "lima-vm",
      state: "bound", expiry: expiry, now: 5_000_000_000)
  }

  @Test func `a line has what the header says, byte for byte`() throws {
    let text = LeaseLine.array([
      line(IPAddress(192, 168, 5, 15), name: "vm", expiry: 65_900_000_000),
      line(IPAddress(10, 0, 0, 1), expiry: 1),
    ])
    #expect(
      String(decoding: text, as: UTF8.self)
        == #"[{"address":"192.168.5.15","mac":"52:55:55:0a:0b:0c","name":"vm","hostname":"lima-vm","state":"bound","expires":60},"#
        + #"{"address":"10.0.0.1","mac":"52:55:55:0a:0b:0c","name":"","hostname":"lima-vm","state":"bound","expires":0}]"#
    )
    #expect(LeaseLine.array([]) == Array("[]".utf8))
    let forever = try JSONValue(parsing: LeaseLine.array([line(IPAddress(10, 0, 0, 1))]))
    #expect(
      forever
        == .array([
          [
            "address": "10.0.0.1", "mac": "52:55:55:0a:0b:0c", "name": "",
            "hostname": "lima-vm", "state": "bound", "expires": .null,
          ]
        ]))
  }

  @Test func `whatever a guest is called, the list is JSON and says so`() throws {
    for name in ["a\"b", "a\\", "line\nline", "\u{7f}", "caf\u{e9}", "\u{0}", "plain"] {
      let list = try JSONValue(parsing: LeaseLine.array([line(IPAddress(10, 0, 0, 1), name: name)]))
      guard case .array(let lines) = list else { throw NoArray() }
      #expect(lines.first?["name"] == .string(name))
    }
  }

  private struct NoArray: Error {}

  @Test func `addresses are written as everywhere`() throws {
    var random = SeededGenerator(seed: 5)
    var addresses = [
      IPAddress(high: 0, low: 0), IPAddress(high: 0, low: 1), IPAddress(high: 1 << 48, low: 0),
      IPAddress(high: 0xfd00_0000_0000_0000, low: 0x15), IPAddress(high: .max, low: .max),
    ]
    for _ in 0..<2000 {
      // Groups that are often zero, and often short.
      func half() -> UInt64 {
        (0..<4).reduce(0) { sum, _ in
          let group = UInt64.random(in: 0...0xffff, using: &random)
          return sum << 16 | (group % 3 == 0 ? group : group % 2 == 0 ? 0 : group & 0xf0)
        }
      }
      addresses.append(IPAddress(high: half(), low: half()))
      addresses.append(IPAddress(v4: UInt32.random(in: 0 ... .max, using: &random)))
    }
    let list = try JSONValue(parsing: LeaseLine.array(addresses.map { line($0) }))
    guard case .array(let lines) = list else { throw NoArray() }
    #expect(lines.map { $0["address"] } == addresses.map { .string($0.description) })
  }
}

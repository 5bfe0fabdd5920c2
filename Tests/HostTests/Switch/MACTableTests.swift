// SPDX-License-Identifier: Apache-2.0

import TestSupport
import Testing

@testable import Host

@Suite("MAC table", .timeLimit(.minutes(5))) struct MACTableTests {
  @Test("Addresses are learned, move, and age")
  func life() {
    var table = MACTable(ports: 4)
    #expect(table.port(of: 1, now: 0) == nil)
    #expect(table.learn(1, on: 0, now: 0) == .new)
    #expect(table.learn(1, on: 0, now: 100) == .known)
    #expect(table.port(of: 1, now: 400) == 0)
    #expect(table.port(of: 1, now: 401) == nil)
    #expect(table.learn(1, on: 2, now: 401) == .moved)
    #expect(table.port(of: 1, now: 401) == 2)
    #expect(table.count == 1)
    table.depart(port: 2, now: 402)
    #expect(table.port(of: 1, now: 403) == MACTable.gone)
    #expect(table.lastPort(of: 1) == MACTable.gone)
    #expect(table.port(of: 1, now: 703) == nil)
    #expect(table.count == 0 && table.all(now: 403).isEmpty)
    // It comes back elsewhere, as one that was never here.
    #expect(table.learn(1, on: 0, now: 404) == .new)
    #expect(table.count == 1 && table.port(of: 1, now: 404) == 0)
  }

  @Test("What is the plugin's own, or pinned, nobody takes, the plugin included")
  func kept() {
    var table = MACTable(ports: 4)
    #expect(table.pin(7, to: MACTable.plugin, now: 0) == true)
    #expect(table.learn(7, on: 1, now: 1000) == .refused)
    #expect(table.port(of: 7, now: 1000) == MACTable.plugin)
    #expect(table.pin(7, to: 1, now: 1000) == false)
    table.unpin(7)
    #expect(table.learn(7, on: 1, now: 1000) == .new)
    // What a guest has learned there, the plugin's declaration takes.
    #expect(table.pin(7, to: MACTable.plugin, now: 1000) == true)
    #expect(table.port(of: 7, now: 1000) == MACTable.plugin)

    #expect(table.pin(9, to: 2, now: 0) == true)
    #expect(table.learn(9, on: 1, now: 1000) == .refused)
    #expect(table.port(of: 9, now: 1000) == 2)
    #expect(table.pin(9, to: 3, now: 1000) == false)
    #expect(table.pin(9, to: MACTable.plugin, now: 1000) == false)
    #expect(table.learn(9, on: MACTable.plugin, now: 1000) == .refused)
    // Known, but not heard yet.
    #expect(table.learn(9, on: 2, now: 1000) == .new)
    #expect(table.learn(9, on: 2, now: 1000) == .known)
    table.depart(port: 2, now: 1001)
    #expect(table.learn(9, on: 1, now: 1002) == .new)
  }

  @Test("What the plugin only sends from is learned there, and comes and goes like any other's")
  func plugins() {
    var table = MACTable(ports: 4)
    #expect(table.learn(7, on: MACTable.plugin, now: 0) == .new)
    #expect(table.learn(7, on: 1, now: 0) == .moved)
    // A frame that the plugin gives back is no move; a station that went behind it is.
    #expect(table.learn(7, on: MACTable.plugin, now: 1) == .refused)
    #expect(table.port(of: 7, now: 1) == 1)
    #expect(table.learn(7, on: MACTable.plugin, now: 2) == .moved)
    #expect(table.learn(7, on: 2, now: 2) == .moved)
  }

  @Test("Of addresses that are gone no more are kept than leave room for others")
  func manyGone() {
    var table = MACTable(ports: 64)
    var address: UInt64 = 0
    for round in 0..<200 as Range<UInt32> {
      for _ in 0..<500 {
        address += 1
        #expect(table.learn(address, on: 3, now: round) == .new)
      }
      table.depart(port: 3, now: round)
      #expect(table.count == 0)
    }
    for other in 1...4000 as ClosedRange<UInt64> {
      #expect(table.learn(other << 24, on: 10 + Int32(other % 16), now: 300) == .new)
    }
  }

  @Test("A bound address stays when others make room, however long it is silent")
  func boundStays() {
    var table = MACTable(ports: 4, portLimit: 4)
    for address in 1...4 as ClosedRange<UInt64> { _ = table.learn(address, on: 0, now: 0) }
    table.setBound(2, true)
    #expect(table.learn(9, on: 0, now: 1000) == .new)
    #expect(table.lastPort(of: 2) == 0 && table.lastPort(of: 1) == nil)
  }

  @Test("A bound address that is claimed waits for its station, and forgets an old claim")
  func contests() {
    var table = MACTable(ports: 4)
    #expect(table.learn(5, on: 0, now: 100) == .new)
    table.setBound(5, true)
    #expect(table.learn(5, on: 1, now: 101) == .refused)
    #expect(table.learn(5, on: 1, now: 102) == .contested(holder: 0))
    #expect(table.learn(5, on: 1, now: 103) == .refused)
    #expect(table.learn(5, on: 0, now: 103) == .known)
    #expect(table.learn(5, on: 1, now: 104) == .refused)
    #expect(table.learn(5, on: 1, now: 105) == .contested(holder: 0))
    // Whoever claimed it has gone; another is not to profit from that.
    #expect(table.learn(5, on: 2, now: 116) == .contested(holder: 0))
    #expect(table.learn(5, on: 2, now: 118) == .moved)
    #expect(table.port(of: 5, now: 118) == 2)
    // Moved, it is the new place's as it was the old one's.
    #expect(table.learn(5, on: 0, now: 119) == .refused)
    #expect(table.all(now: 119).map(\.address) == [5])
    #expect(table.all(now: 419).isEmpty)
  }

  @Test("One port cannot fill the table, and old addresses make room")
  func bounds() {
    var table = MACTable(ports: 16, portLimit: 512)
    for address in 1...600 as ClosedRange<UInt64> {
      #expect(table.learn(address, on: 0, now: 0) == (address <= 512 ? .new : .full))
    }
    #expect(table.learn(1000, on: 1, now: 0) == .new)
    #expect(table.learn(600, on: 0, now: 301) == .new)
    #expect(table.port(of: 1, now: 301) == nil)
    // All in all 4096.
    var learned = 0
    for port in 0..<16 as Range<Int32> {
      for i in 0..<500 as Range<UInt64> {
        let address = (UInt64(port) + 1) << 20 | i
        if table.learn(address, on: port, now: 302) == .new { learned += 1 }
      }
    }
    #expect(table.count <= 4096)
    #expect(learned > 4000)
  }

  @Test("It agrees with a dictionary over 100,000 random steps")
  func model() {
    var table = MACTable(ports: 8, portLimit: 4096)
    var model: [UInt64: Int32] = [:]
    var random = SeededGenerator(seed: 1)
    for _ in 0..<100_000 {
      let address = UInt64.random(in: 1...1500, using: &random) &* 0x1_0001
      let port = Int32.random(in: 0..<8, using: &random)
      switch Int.random(in: 0..<400, using: &random) {
      case 0:
        table.depart(port: port, now: 5)
        model = model.filter { $0.value != port }
      case 1..<200:
        _ = table.learn(address, on: port, now: 5)
        model[address] = port
      default:
        let port = table.port(of: address, now: 5)
        #expect((port == MACTable.gone ? nil : port) == model[address])
      }
    }
    #expect(table.count == model.count)
  }
}

// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// Which stations form a guest, and that no guest takes all of a shared resource.
@Suite(.timeLimit(.minutes(1)))
struct ShareTests {
  // MARK: The key

  @Test func `a guest's addresses make no difference to its share`() {
    let scene = CrowdScene(guests: 2)
    for number in 0..<100 {
      scene.send(
        1, scene.syn(1, port: 5000, source: IPAddress(192, 168, 7, UInt8(1 + number))))
    }
    #expect(scene.share(1).flows == 100)
    #expect(scene.share(2).flows == 0)
  }

  @Test func `stations behind one guest's port are one guest, others are not`() {
    let scene = CrowdScene(guests: 0, isSwitched: true)
    for station in 1...3 { scene.stack.core.shares.station(scene.mac(station), isBehind: 7) }
    scene.stack.core.shares.station(scene.mac(4), isBehind: 8)
    for station in 1...4 { scene.send(station, scene.syn(station, port: 5000)) }
    #expect(scene.share(2).flows == 3 && scene.share(2).port == 7)
    #expect(scene.share(4).flows == 1 && scene.share(4).port == 8)
  }

  @Test func `a guest that makes up stations shares with nobody but those like it`() {
    let scene = CrowdScene(guests: 0, isSwitched: true)
    let shares = scene.stack.core.shares
    shares.station(scene.mac(1), isBehind: 8)
    for station in 2..<4000 {
      shares.station(scene.mac(station), isBehind: 7)
      scene.send(station, scene.syn(station, port: 5000))
    }
    scene.send(1, scene.syn(1, port: 5000))
    #expect(scene.share(1).flows == 1)
    var places = 0
    shares.forEach { _ in places += 1 }
    #expect(places == 3)
  }

  @Test func `more guests than there are places share one, and places come back`() {
    let scene = CrowdScene(guests: 0, isSwitched: true) { $0.maximumPerDestination = .max }
    for station in 1...ShareTable.capacity + 5 {
      scene.send(station, scene.syn(station, port: 5000))
    }
    #expect(scene.share(ShareTable.capacity + 1).flows == 5)
    // Nothing is left of them.
    scene.stack.tcp.forEachFlow { scene.stack.tcp.resetGuest($0) }
    scene.stack.endOfIteration()
    scene.send(5000, scene.syn(5000, port: 5000))
    #expect(scene.share(5000).flows == 1)
  }

  // MARK: UDP, ping, ICMP errors

  @Test func `six thousand UDP ports of one guest leave another's mapping alone`() {
    let scene = CrowdScene(guests: 2, datagrams: true)
    scene.send(2, scene.udp(2, port: 4000))
    let before = scene.datagrams.open
    for port in UInt16(1000)..<7000 {
      scene.host.now += 1_000_000
      scene.send(1, scene.udp(1, port: port))
    }
    #expect(scene.share(2).datagramFlows == 1 && scene.share(2).counters.evicted == 0)
    #expect(Set(scene.datagrams.open).isSuperset(of: before))
    #expect(scene.stack.udp.flowCount == 4096)
    #expect(scene.share(1).counters.evicted == 6000 - 4095)
  }

  @Test func `a guest that needs a mapping takes it from the one with the most`() {
    let scene = CrowdScene(guests: 2, datagrams: true) { $0.udp.maximumFlows = 10 }
    for port in UInt16(1000)..<1010 { scene.send(1, scene.udp(1, port: port)) }
    for port in UInt16(1000)..<1010 { scene.send(2, scene.udp(2, port: port)) }
    #expect(scene.share(1).datagramFlows == 5 && scene.share(2).datagramFlows == 5)
  }

  @Test func `one guest's remote endpoints leave another its own`() {
    let scene = CrowdScene(guests: 2, datagrams: true) { $0.udp.maximumPeers = 100 }
    for port in UInt16(1)...200 {
      scene.send(
        1, scene.udp(1, port: 1000 + port % 4, to: Endpoint(CrowdScene.server.address, port: port)))
    }
    scene.send(2, scene.udp(2, port: 4000))
    #expect(scene.share(2).peers == 1 && scene.share(1).peers == 99)
    #expect(scene.datagrams.sent.last?.destination == CrowdScene.server)
  }

  @Test func `one guest's pings leave another's`() {
    let scene = CrowdScene(guests: 2, datagrams: true) { $0.icmp.maximumFlows = 8 }
    scene.send(2, scene.echo(2, 1))
    for id in UInt16(0)..<100 { scene.send(1, scene.echo(1, id)) }
    #expect(scene.share(2).pings == 1 && scene.share(1).pings == 7)
  }

  @Test func `one guest's ICMP errors leave another its own`() {
    let scene = CrowdScene(guests: 2)
    let closed = Endpoint(CrowdScene.dns, port: 9)
    for port in UInt16(1000)..<2000 { scene.send(1, scene.udp(1, port: port, to: closed)) }
    #expect(scene.share(1).counters.errorsWithheld == 800)
    scene.host.frames = []
    scene.send(2, scene.udp(2, port: 1, to: closed))
    #expect(scene.host.frames.count == 1)
  }

  @Test func `one guest's fragments on a switch leave another's`() {
    let scene = CrowdScene(guests: 0, isSwitched: true, datagrams: true)
    let whole = scene.udp(2, port: 4000, [UInt8](repeating: 7, count: 2000))
    let parts = Self.fragments(whole, id: 5)
    scene.send(2, parts[0])
    for id in UInt16(0)..<200 {
      scene.send(
        1, Self.fragments(scene.udp(1, port: 9, [UInt8](repeating: 1, count: 2000)), id: id)[0])
    }
    scene.send(2, parts[1])
    #expect(scene.datagrams.sent.map(\.payload.count) == [2000])
    #expect(scene.share(2).fragmentBytes == 0 && scene.share(1).fragmentBytes > 0)
  }

  /// Two fragments of an IPv4 frame, the first with 1008 bytes of payload.
  static func fragments(_ frame: [UInt8], id: UInt16) -> [[UInt8]] {
    func part(_ range: Range<Int>, more: Bool) -> [UInt8] {
      var part = Array(
        frame[..<34] + frame[34..<frame.count][34 + range.lowerBound..<34 + range.upperBound])
      let length = part.count - 14
      part[16] = UInt8(length >> 8)
      part[17] = UInt8(length & 0xff)
      part[18] = UInt8(id >> 8)
      part[19] = UInt8(id & 0xff)
      let field = UInt16(range.lowerBound / 8) | (more ? 0x2000 : 0)
      part[20] = UInt8(field >> 8)
      part[21] = UInt8(field & 0xff)
      part[24] = 0
      part[25] = 0
      let sum = part.withByteView { Checksum.of($0.slice(at: 14, count: 20)) }
      part[24] = UInt8(sum >> 8)
      part[25] = UInt8(sum & 0xff)
      return part
    }
    let payload = frame.count - 34
    return [part(0..<1008, more: true), part(1008..<payload, more: false)]
  }

  // MARK: DNS

  private static func question(_ id: UInt16) -> [UInt8] {
    [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]
  }

  @Test func `a guest's questions to a silent zone leave others theirs, and it gets what is known`()
  {
    let scene = CrowdScene(guests: 2)
    let dns = Endpoint(CrowdScene.dns, port: 53)
    for id in UInt16(0)..<3000 {
      scene.send(1, scene.udp(1, port: 4000, to: dns, Self.question(id)))
    }
    // Half of them may wait; the rest is asked for what is known at once, and only for that.
    #expect(scene.share(1).questions == 1024)
    #expect(scene.host.questions.count == 3000)
    #expect(scene.host.questions[1023].deadline == 0)
    #expect(scene.host.questions[1024].deadline == scene.host.now)
    scene.send(2, scene.udp(2, port: 4000, to: dns, Self.question(1)))
    #expect(scene.host.questions.last?.deadline == 0 && scene.share(2).questions == 1)
    // Beyond the share the host answers, too: those it does not know count as refused.
    #expect(scene.share(1).counters.questionsRefused == 0)
    scene.host.questions[1024].message[3] = 0x82
    scene.host.questions[1025].message[3] = 0x80
    scene.host.questions[0].message[3] = 0x82
    scene.host.frames = []
    scene.answerQuestions()
    #expect(scene.host.frames.count == 3001)
    #expect(scene.share(1).counters.questionsRefused == 1)
    #expect(scene.share(1).questions == 0 && scene.share(2).questions == 0)
  }

  @Test func `the 33rd DNS connection of a guest takes the place of its idlest one`() {
    let scene = CrowdScene(guests: 2)
    let dns = Endpoint(CrowdScene.dns, port: 53)
    for port in UInt16(1)...40 {
      scene.host.now += 1_000_000
      scene.send(1, scene.syn(1, port: port, to: dns))
    }
    #expect(scene.share(1).streams == 32 && scene.share(1).counters.evicted == 8)
    #expect(scene.stack.dns.counters.streams == 40)
    scene.send(2, scene.syn(2, port: 1, to: dns))
    #expect(scene.share(2).streams == 1)
  }

  @Test func `idle DNS connections of many guests make room for one more guest's`() {
    let scene = CrowdScene(guests: 20)
    let dns = Endpoint(CrowdScene.dns, port: 53)
    for guest in 1...19 {
      for port in UInt16(1)...32 { scene.send(guest, scene.syn(guest, port: port, to: dns)) }
    }
    scene.send(20, scene.syn(20, port: 1, to: dns))
    #expect(scene.share(20).streams == 1)
    let held = (1...20).map { Int(scene.share($0).streams) }
    #expect(held.reduce(0, +) == DNSIntercept.maximumStreams)
    #expect(held[0..<19].allSatisfy { $0 >= 13 })
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Guests on a network card: when a macvtap is asked for, handed over and let go; and what is known against a TAP.

import HostProtocol
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct GuestCardsTests {
  private final class Scene {
    var look = BridgedInterface.card(isUp: true, hasCarrier: true)
    var asked: [(Result<HeldTap, HostTapError>) -> Void] = []
    var dead: Set<ObjectIdentifier> = []
    var timers: [(after: UInt64, action: () -> Void)] = []
    var removed: [UInt64] = []
    var said: [String] = []
    var handed: [PortSpec] = []
    var time: UInt64 = 1
    private var id: UInt64 = 100

    func macvtap() throws -> HeldTap {
      var options = JSONObject()
      options["interface"] = .string("eth0")
      let request = try #require(HostTapRequest(network: "lan", options: options))
      return HeldTap(
        fd: -1,
        spec: TapSpec(name: "ln0-lan", mac: "02:00:00:00:00:01", mtu: 1500, vnetHeader: true),
        request: request, isCard: true)
    }

    func cards() throws -> GuestCards {
      GuestCards(
        try macvtap(), card: "eth0",
        layers: GuestCards.Layers(
          obtain: { self.asked.append($1) }, look: { _ in self.look },
          isAlive: { !self.dead.contains(ObjectIdentifier($0)) },
          schedule: { after, action in
            self.timers.append((after, action))
            return {}
          },
          now: { self.time },
          newID: {
            self.id += 1
            return self.id
          },
          remove: { self.removed.append($0) }, explain: { "\($0)" },
          log: { self.said.append($1) }))
    }

    func takeAll(_ spec: PortSpec, _ fd: Int32, _ answer: (String?) -> Void) {
      handed.append(spec)
      answer(nil)
    }
  }

  @Test func `the first guest has the macvtap that is there, others one each, four at a time`()
    throws
  {
    let scene = Scene()
    let cards = try scene.cards()
    cards.begin(scene.takeAll)
    for guest in 1...7 { cards.serve(UInt64(guest)) }
    #expect(scene.handed.map(\.guest) == [1] && scene.asked.count == 4)
    while scene.handed.count < 7 { scene.asked.removeFirst()(.success(try scene.macvtap())) }
    #expect(scene.asked.isEmpty)
    #expect(Set(scene.handed.compactMap(\.guest)) == Set(1...7))
    #expect(scene.handed.allSatisfy { $0.isUplink && $0.transport == .tap })
    let port = try #require(scene.handed.last)
    #expect(cards.owns(port.id))
    cards.forget(try #require(port.guest))
    #expect(scene.removed == [port.id] && !cards.owns(port.id))
  }

  @Test func `a process that dies costs no macvtap, a guest that has left takes none`() throws {
    let scene = Scene()
    let cards = try scene.cards()
    cards.begin(scene.takeAll)
    cards.serve(1)
    cards.serve(2)
    cards.rest()
    cards.forget(2)
    scene.asked.removeFirst()(.success(try scene.macvtap()))
    #expect(scene.handed.map(\.guest) == [1])
    cards.begin(scene.takeAll)
    cards.serve(1)
    #expect(scene.handed.map(\.guest) == [1, 1] && scene.asked.isEmpty)
  }

  @Test
  func `a card that is gone is told once, nobody is asked meanwhile, and at its return at once`()
    throws
  {
    let scene = Scene()
    let cards = try scene.cards()
    cards.begin { spec, _, answer in scene.takeAll(spec, -1, answer) }
    cards.serve(1)
    let port = try #require(scene.handed.first).id
    scene.look = .missing
    cards.lost(port)
    cards.look()
    cards.look()
    #expect(scene.asked.isEmpty && cards.trouble?.contains("eth0 is gone") == true)
    #expect(scene.said.count == 1)
    scene.look = .card(isUp: true, hasCarrier: true)
    cards.look()
    #expect(scene.asked.count == 1)
    scene.asked.removeFirst()(.success(try scene.macvtap()))
    #expect(cards.trouble == nil && scene.handed.count == 2)
    scene.look = .card(isUp: false, hasCarrier: false)
    cards.look()
    #expect(cards.trouble?.contains("is down") == true)
  }

  @Test func `a refusal is said and tried again later, with longer and longer pauses`() throws {
    let scene = Scene()
    let cards = try scene.cards()
    cards.begin(scene.takeAll)
    cards.serve(1)
    cards.serve(2)
    for _ in 0..<9 {
      scene.asked.removeFirst()(.failure(.refused("no")))
      scene.timers[scene.timers.count - 1].action()
    }
    #expect(cards.trouble?.contains("no") == true && scene.said.count == 1)
    #expect(scene.timers.last?.after == 10_000_000_000 && scene.timers.count == 9)
  }

  @Test func `after a macvtap that served for long, earlier refusals do not delay the next`() throws
  {
    let scene = Scene()
    let cards = try scene.cards()
    cards.begin(scene.takeAll)
    cards.serve(1)
    cards.serve(2)
    for _ in 0..<9 {
      scene.asked.removeFirst()(.failure(.refused("no")))
      scene.timers[scene.timers.count - 1].action()
    }
    scene.asked.removeFirst()(.success(try scene.macvtap()))
    scene.time += Backoff.longLife
    cards.lost(try #require(scene.handed.last).id)
    #expect(scene.timers.last?.after == 100_000_000)
  }

  @Test func `what is wrong with a TAP is told by what would help`() {
    typealias Facts = HostTapMaker.TapFacts
    func trouble(_ place: HostTapRequest.Place, _ change: (inout Facts) -> Void) -> HostTapMaker
      .Trouble?
    {
      var facts = Facts(name: "ln0-a", current: "ln0-a")
      facts.addresses = ["10.0.0.1/24"]
      if case .bridge = place { (facts.master, facts.bridge) = (7, 7) }
      (facts.mtu, facts.madeMTU) = (1500, 1500)
      change(&facts)
      return HostTapMaker.trouble(facts, place)
    }
    let bridge = HostTapRequest.Place.bridge("br0")
    let address = HostTapRequest.Place.address("10.0.0.1/24")
    #expect(
      trouble(address) { $0.others = ["10.55.0.1/24"] }
        == .resting(
          "somebody gave its interface ln0-a the address 10.55.0.1/24, too, which guests do not reach. "
            + "Mend it:  sudo ip address del 10.55.0.1/24 dev ln0-a"))
    for place in [bridge, address] {
      #expect(trouble(place) { _ in } == nil)
      #expect(trouble(place) { $0.current = nil } == .lost("its interface ln0-a was taken away"))
      #expect(
        trouble(place) { ($0.isHere, $0.current) = (false, "x") }
          == .lost("its interface x was moved to another network namespace"))
      #expect(
        trouble(place) { $0.isUp = false }
          == .resting("its interface ln0-a is down. Mend it:  sudo ip link set ln0-a up"))
      #expect(
        trouble(place) { $0.mtu = 900 }
          == .resting(
            "its interface ln0-a has MTU 900, and was made with 1500. "
              + "Mend it:  sudo ip link set ln0-a mtu 1500"))
      typealias MAC = Facts.OtherMAC
      #expect(
        trouble(place) { $0.otherMAC = MAC(now: "a", made: "b", isMended: false) }
          == .resting(
            "somebody gave its interface ln0-a the Ethernet address a. "
              + "Mend it:  sudo ip link set ln0-a address b"))
      #expect(
        trouble(place) { $0.otherMAC = MAC(now: "a", made: "b", isMended: true) }?.text
          .contains("it gets its own back, b") == true)
      #expect(
        trouble(place) { $0.current = "x" } == .renamed("its interface ln0-a is called x now"))
    }
    #expect(trouble(bridge) { $0.bridge = nil } == .lost("the bridge br0 is gone"))
    #expect(
      trouble(bridge) { $0.master = nil } == .lost("its interface ln0-a is no port of br0 any more")
    )
    #expect(
      trouble(address) { $0.addresses = [] }
        == .lost("its interface ln0-a has lost its address 10.0.0.1/24"))
    #expect(
      trouble(address) { $0.hasARP = false }?.text.contains("sudo ip link set ln0-a arp on") == true
    )
    // Of a bridge's port it is no matter.
    #expect(trouble(bridge) { $0.hasARP = false } == nil)
    #expect(
      trouble(address) { $0.master = 9 }?.text.contains("sudo ip link set ln0-a nomaster") == true)
    func onSwitch(_ change: (inout Facts) -> Void) -> HostTapMaker.Trouble? {
      trouble(bridge) {
        $0.isOnSwitch = true
        change(&$0)
      }
    }
    #expect(onSwitch { $0.mtu = 900 } == nil)
    #expect(
      onSwitch { $0.isServed = false }
        == .unserved("Open vSwitch does not serve its interface ln0-a, a port of br0"))
    #expect(onSwitch { $0.bridge = nil }?.text == "the bridge br0 of Open vSwitch is gone")
  }
}

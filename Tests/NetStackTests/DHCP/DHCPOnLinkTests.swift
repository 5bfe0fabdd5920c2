// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// DHCP in frames: processing before the check of the source address, and probes by ARP.
@Suite(.timeLimit(.minutes(1))) struct DHCPOnLinkTests {
  private static let first = IPAddress(192, 168, 5, 21)
  private static let squatter = MACAddress(0x52, 0x55, 0x55, 0, 0, 99)

  private final class Scene {
    let simulation = Simulation(seed: 1, kind: .switch)
    let dhcp: DHCPService
    var isAlone = false

    /// - Parameter addresses: number of addresses in the pool.
    init(addresses: UInt32 = 20) {
      guard let subnet = CIDR(Simulation.gateway, prefixLength: 24) else {
        preconditionFailure("a CIDR")
      }
      var configuration = DHCPServer.Configuration(
        serverAddress: Simulation.gateway, subnet: subnet)
      configuration.identifiesByMAC = true
      dhcp = DHCPService(
        stack: simulation.stack.core, configuration: configuration,
        policy: .pool(
          DHCPPool(
            first: DHCPOnLinkTests.first,
            last: IPAddress(v4: DHCPOnLinkTests.first.v4 + addresses - 1))))
      simulation.stack.udp.dhcp = dhcp
      dhcp.isAlone = { [unowned self] _ in isAlone }
    }

    /// Sends a client's message in a frame.
    func says(
      _ client: Client, _ message: DHCPMessage, from source: IPAddress = .anyV4,
      to destination: IPAddress = .broadcastV4, at mac: MACAddress = .broadcast
    ) {
      let length = message.encodedLength
      simulation.deliver([
        [UInt8](capacity: 42 + length) { out in
          EthernetHeader(destination: mac, source: client.mac, etherType: EtherType.ipv4)
            .emit(into: out)
          IPv4Header(
            source: source, destination: destination, protocolNumber: IPProtocol.udp,
            payloadLength: 8 + length
          ).emit(into: out.dropFirst(14))
          message.emit(into: out.dropFirst(42))
          UDPHeader(sourcePort: 68, destinationPort: 67, payloadLength: length).emit(
            into: out.dropFirst(34), payload: out.view.slice(at: 42, count: length),
            source: source, destination: destination)
          return 42 + length
        }
      ])
    }

    func arp(_ address: IPAddress, _ mac: MACAddress) {
      simulation.deliver([
        [UInt8](capacity: 42) { out in
          EthernetHeader(
            destination: GuestTCP.gatewayMAC, source: mac, etherType: EtherType.arp
          ).emit(into: out)
          ARPHeader(
            operation: ARPHeader.reply, senderMAC: mac, senderIP: address,
            targetMAC: GuestTCP.gatewayMAC, targetIP: Simulation.gateway
          ).emit(into: out.dropFirst(14))
          return 42
        }
      ])
    }

    /// Takes the server's replies, and the addresses probed by ARP.
    func heard() -> (answers: [DHCPMessage], asked: [IPAddress]) {
      simulation.collect()
      defer { simulation.seen = [] }
      var answers: [DHCPMessage] = []
      var asked: [IPAddress] = []
      for frame in simulation.seen {
        frame.withByteView { view in
          guard let ethernet = EthernetPacket(checking: view) else { return }
          if let arp = ARPPacket(checking: ethernet.payload) {
            asked.append(ARPHeader(arp).targetIP)
          } else if let ip = IPv4Packet(checking: ethernet.payload),
            let udp = UDPPacket(checking: ip.payload),
            let message = DHCPMessage(checking: udp.payload)
          {
            answers.append(message)
          }
        }
      }
      return (answers, asked)
    }
  }

  @Test func `a client of another network, and one whose address is another's now, hears no`() {
    let scene = Scene()
    scene.isAlone = true
    let owner = Client(1)
    scene.says(owner, owner.discover())
    scene.says(owner, owner.select(Self.first))
    #expect(scene.heard().answers.map(\.options.messageType) == [.offer, .ack])
    scene.simulation.stack.core.bindNeighbor(Self.first, to: owner.mac, on: 1)
    let late = Client(2)
    for (address, destination, mac) in [
      (IPAddress(10, 0, 0, 5), IPAddress.broadcastV4, MACAddress.broadcast),
      (IPAddress(192, 168, 104, 7), .broadcastV4, .broadcast),
      (Self.first, .broadcastV4, .broadcast),
      (Self.first, Simulation.gateway, GuestTCP.gatewayMAC),
    ] {
      scene.says(late, late.renew(address), from: address, to: destination, at: mac)
      #expect(scene.heard().answers.map(\.options.messageType) == [.nak])
    }
    // Nothing was learned of it, and nothing else passes under such an address.
    #expect(scene.simulation.stack.core.neighbor(IPAddress(10, 0, 0, 5), on: 1) == nil)
    #expect(scene.simulation.stack.core.neighbor(Self.first, on: 1) == owner.mac)
    #expect(scene.simulation.stack.udp.flowCount == 0)
  }

  @Test func `a host name that cannot be one is told in the log, with whose it is, not each time`()
  {
    let scene = Scene()
    let logged = { scene.simulation.host.log.filter { $0.contains("is no host name") } }
    var client = Client(1)
    client.hostname = "My_VM"
    scene.says(client, client.discover())
    scene.says(client, client.select(Self.first))
    #expect(logged().isEmpty)
    client.hostname = "My VM"
    scene.says(client, client.renew(Self.first))
    #expect(logged().count == 1 && logged()[0].hasPrefix("\(client.mac) "))
    for _ in 0..<20 { scene.says(client, client.renew(Self.first)) }
    #expect(logged().count == 3)
    // It has its lease all the same, and still the name it had.
    let answers = scene.heard().answers
    #expect(answers.dropFirst().allSatisfy { $0.options.messageType == .ack })
    #expect(scene.dhcp.leases().map(\.lease.hostname) == ["My_VM"])
  }

  @Test func `a new client's address is asked for, and offered when nobody answers`() {
    let scene = Scene()
    let client = Client(1)
    scene.says(client, client.discover())
    var heard = scene.heard()
    #expect(heard.answers.isEmpty && heard.asked == [Self.first])
    scene.simulation.wait(400_000_000)
    heard = scene.heard()
    #expect(heard.answers.map(\.yourAddress) == [Self.first] && heard.asked.isEmpty)
    scene.says(client, client.select(Self.first))
    #expect(scene.heard().answers.map(\.options.messageType) == [.ack])
    // What it has it gets again at once.
    scene.says(client, client.discover())
    scene.says(client, client.reboot(Self.first))
    heard = scene.heard()
    #expect(heard.answers.map(\.options.messageType) == [.offer, .ack] && heard.asked.isEmpty)
  }

  @Test func `an address whose user answers is not offered, and the next one is`() {
    let scene = Scene()
    let client = Client(1)
    scene.says(client, client.discover())
    #expect(scene.heard().asked == [Self.first])
    scene.arp(Self.first, Self.squatter)
    scene.simulation.wait(300_000_000)
    let next = IPAddress(192, 168, 5, 22)
    #expect(scene.heard().asked == [next])
    scene.simulation.wait(300_000_000)
    #expect(scene.heard().answers.map(\.yourAddress) == [next])
    // Known by now.
    let other = Client(2)
    scene.says(other, other.discover())
    #expect(scene.heard().asked == [IPAddress(192, 168, 5, 23)])
  }

  /// A scene with a leased address; all stations except the squatter are of the same guest.
  private func leased() -> Scene {
    let scene = Scene()
    let squatter = Self.squatter
    scene.dhcp.isOneGuest = { $0 != squatter && $1 != squatter }
    scene.isAlone = true
    scene.says(Client(1), Client(1).discover())
    scene.says(Client(1), Client(1).select(Self.first))
    scene.isAlone = false
    scene.simulation.stack.core.bindNeighbor(Self.first, to: Client(1).mac, on: 1)
    _ = scene.heard()
    return scene
  }

  @Test func `a lease follows its guest to another Ethernet address by ARP`() {
    let scene = leased()
    let core = scene.simulation.stack.core
    scene.arp(Self.first, Self.squatter)
    #expect(core.neighbor(Self.first, on: 1) == Client(1).mac)
    scene.arp(Self.first, Client(2).mac)
    #expect(core.neighbor(Self.first, on: 1) == Client(2).mac)
    #expect(scene.dhcp.leases().map(\.lease.client.mac) == [Client(2).mac])
    // Not all the time.
    scene.arp(Self.first, Client(1).mac)
    #expect(core.neighbor(Self.first, on: 1) == Client(2).mac)
    scene.simulation.wait(2_000_000_000)
    scene.arp(Self.first, Client(1).mac)
    #expect(core.neighbor(Self.first, on: 1) == Client(1).mac)
  }

  @Test(arguments: [false, true])
  func `a station that remembers its guest's address gets it, if nobody answers`(answers: Bool) {
    let scene = leased()
    scene.says(Client(2), Client(2).reboot(Self.first))
    let heard = scene.heard()
    #expect(heard.answers.isEmpty && heard.asked == [Self.first])
    if answers { scene.arp(Self.first, Client(1).mac) }
    scene.simulation.wait(400_000_000)
    #expect(scene.heard().answers.map(\.options.messageType) == (answers ? [] : [.ack]))
    #expect(scene.dhcp.leases().map(\.lease.client.mac) == [Client(answers ? 1 : 2).mac])
  }

  @Test func `an address whose user has left is asked for again at once, and offered`() {
    let scene = Scene(addresses: 1)
    let client = Client(1)
    scene.says(client, client.discover())
    #expect(scene.heard().asked == [Self.first])
    scene.arp(Self.first, Self.squatter)
    scene.simulation.wait(300_000_000)
    #expect(scene.heard().answers.isEmpty)
    #expect(scene.dhcp.exhausted == 1)
    // Another that leaves changes nothing.
    scene.dhcp.stationsDown([Client(2).mac], port: Simulation.port)
    scene.says(client, client.discover())
    #expect(scene.heard().asked.isEmpty)
    #expect(scene.dhcp.exhausted == 2)
    scene.simulation.stack.stationsDown([Self.squatter], port: Simulation.port)
    scene.dhcp.stationsDown([Self.squatter], port: Simulation.port)
    scene.says(client, client.discover())
    #expect(scene.heard().asked == [Self.first])
    scene.simulation.wait(300_000_000)
    #expect(scene.heard().answers.map(\.yourAddress) == [Self.first])
    scene.says(client, client.select(Self.first))
    #expect(scene.heard().answers.map(\.options.messageType) == [.ack])
  }

  @Test func `a late frame of a station that has left keeps its address from nobody`() {
    let scene = Scene(addresses: 1)
    scene.isAlone = true
    scene.dhcp.isPresent = { $0 != Self.squatter }
    scene.arp(Self.first, Self.squatter)
    #expect(scene.simulation.stack.core.neighbor(Self.first, on: 1) == Self.squatter)
    let client = Client(1)
    scene.says(client, client.discover())
    scene.says(client, client.select(Self.first))
    #expect(scene.heard().answers.map(\.options.messageType) == [.offer, .ack])
  }

  @Test func `a guest that is alone is not kept waiting`() {
    let scene = Scene()
    scene.isAlone = true
    let client = Client(1)
    scene.says(client, client.discover())
    let heard = scene.heard()
    #expect(heard.answers.count == 1 && heard.asked.isEmpty)
  }

  @Test func `many who ask at once are served at once`() {
    let scene = Scene()
    for number in 1...10 as ClosedRange<UInt8> {
      scene.says(Client(number), Client(number).discover())
    }
    scene.simulation.wait(400_000_000)
    #expect(Set(scene.heard().answers.map(\.yourAddress)).count == 10)
  }

  @Test func `one who asks again meanwhile gets one offer, and one who left none`() {
    let scene = Scene()
    for _ in 0..<5 { scene.says(Client(1), Client(1).discover()) }
    scene.says(Client(2), Client(2).discover())
    scene.dhcp.stationsDown([Client(2).mac], port: Simulation.port)
    scene.simulation.wait(400_000_000)
    #expect(scene.heard().answers.count == 1)
    #expect(scene.dhcp.waiting.isEmpty)
  }

  @Test func `clients that are made up wait in bounds`() {
    let scene = Scene()
    for number in 0..<2000 {
      var client = Client(1)
      client.mac = MACAddress(0x52, 0x55, 1, 0, UInt8(number >> 8), UInt8(number & 0xff))
      scene.says(client, client.discover())
      #expect(scene.dhcp.waiting.count <= 256)
    }
    scene.simulation.wait(10_000_000_000)
    #expect(scene.dhcp.waiting.isEmpty)
  }

  @Test func `silence after a question asked ahead is no proof for a client: it is asked again`() {
    let scene = Scene()
    scene.dhcp.askAhead(port: Simulation.port)
    scene.simulation.stack.endOfIteration()
    // The server of the link is made by its first message.
    let client = Client(1)
    scene.says(client, client.discover())
    _ = scene.heard()
    scene.simulation.wait(400_000_000)
    _ = scene.heard()
    scene.dhcp.askAhead(port: Simulation.port)
    scene.simulation.stack.endOfIteration()
    let next = IPAddress(192, 168, 5, 22)
    #expect(scene.heard().asked == [next])
    scene.simulation.wait(1_000_000_000)
    // Taken by hand since then.
    let other = Client(2)
    scene.says(other, other.discover())
    #expect(scene.heard().asked == [next])
    scene.arp(next, Self.squatter)
    scene.simulation.wait(600_000_000)
    #expect(scene.heard().answers.map(\.yourAddress) == [IPAddress(192, 168, 5, 23)])
  }

  @Test func `a guest by hand does not get what a silent one uses, because it was asked before`() {
    let scene = Scene()
    scene.isAlone = true
    scene.says(Client(1), Client(1).discover())
    scene.isAlone = false
    let next = IPAddress(192, 168, 5, 22)
    _ = scene.heard()
    scene.dhcp.askAhead(port: Simulation.port)
    scene.simulation.stack.endOfIteration()
    #expect(scene.heard().asked == [next])
    scene.arp(next, Self.squatter)
    let given = scene.dhcp.reserve(port: Simulation.port, mac: Client(3).mac, name: "box")
    #expect(given == IPAddress(192, 168, 5, 23))
  }
}

/// RFC 1122 §3.3.6
@Suite(.timeLimit(.minutes(1))) struct LinkBroadcastTests {
  private func toAll(_ frame: [UInt8]) -> [UInt8] {
    [UInt8](repeating: 0xff, count: 6) + frame[6...]
  }

  @Test func `a packet for one station in a frame for all gets no answer`() throws {
    let world = try DatagramWorld()
    let group: [UInt8] = [1, 0, 0x5e, 1, 2, 3]
    let frames = [
      world.echo(1, 1, to: DatagramWorld.gateway),
      world.echo(1, 1, to: DatagramWorld.server.address),
      world.udp(from: 4000, to: DatagramWorld.server, [1]),
      world.udp(from: 4000, to: Endpoint(DatagramWorld.gateway, port: 9), [1]),
      world.ip(99, [1, 2, 3], to: DatagramWorld.gateway),
      Frames.tcp(
        TCPHeader(
          sourcePort: 5, destinationPort: 80, sequence: 1, acknowledgement: 0, flags: .syn,
          window: 1000),
        payload: [], source: DatagramWorld.guest, destination: DatagramWorld.gateway),
      StationDatagramTests.fragment(id: 1, offset: 0, more: true, from: GuestTCP.mac),
    ]
    for frame in frames { world.send(toAll(frame), group + frame[6...]) }
    #expect(world.host.frames.isEmpty)
    #expect(world.stack.udp.flowCount == 0 && world.stack.tcp.flowCount == 0)
    #expect(world.stack.icmp.flowCount == 0 && world.stack.unfinishedGuests == 0)
    #expect(world.stack.links.pointer(1).pointee.counters.ignored == UInt64(2 * frames.count))
    // The same to us alone.
    world.send(frames[0])
    #expect(world.host.frames.count == 1)
  }
}

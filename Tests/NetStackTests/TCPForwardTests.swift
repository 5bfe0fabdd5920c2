// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

@testable import NetStack

/// Connections opened by the host to a guest.
@Suite(.timeLimit(.minutes(5)))
struct TCPForwardTests {
  private let source = Endpoint(Simulation.gateway, port: 0)

  private func listening(_ port: UInt16 = 22) -> Endpoint {
    Endpoint(Simulation.guestAddress, port: port)
  }

  /// The header of the stack's SYN, once it was sent.
  private func syn(_ simulation: Simulation) -> TCPHeader? {
    for frame in simulation.seen + simulation.host.frames {
      let header = frame.withByteView { view -> TCPHeader? in
        guard let ethernet = EthernetPacket(checking: view),
          let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == 6,
          let tcp = TCPPacket(checking: ip.payload)
        else { return nil }
        return TCPHeader(tcp)
      }
      if let header, header.flags == .syn { return header }
    }
    return nil
  }

  private func arp(_ operation: UInt16, target: IPAddress) -> [UInt8] {
    [UInt8](capacity: 42) { out in
      EthernetHeader(
        destination: GuestTCP.gatewayMAC, source: GuestTCP.mac, etherType: EtherType.arp
      ).emit(into: out)
      ARPHeader(
        operation: operation, senderMAC: GuestTCP.mac, senderIP: Simulation.guestAddress,
        targetMAC: .zero, targetIP: target
      ).emit(into: out.dropFirst(14))
      return 42
    }
  }

  @Test func `a client's bytes reach the guest, and the answer the client`() throws {
    let simulation = Simulation(seed: 1)
    simulation.deliver([arp(ARPHeader.request, target: Simulation.gateway)])
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: listening(), source: source, owner: 0))
    simulation.stack.endOfIteration()
    simulation.collect()
    let port = try #require(syn(simulation)?.sourcePort)
    var guest = GuestTCP(
      local: listening(), remote: Endpoint(Simulation.gateway, port: port), iss: 99)
    guest.state = .listening
    simulation.guests = [guest]
    socket.incoming = pattern(30_000, seed: 1)
    #expect(simulation.run(until: { $0.guests[0].received.count == 30_000 }))
    #expect(simulation.guests[0].received == socket.incoming)
    simulation.guests[0].out = pattern(40_000, seed: 2)
    simulation.guests[0].finishes = true
    simulation.guests[0].pump(now: simulation.host.now)
    #expect(simulation.run(until: { _ in socket.isShut }))
    #expect(socket.received == pattern(40_000, seed: 2))
    socket.isIncomingOver = true
    #expect(simulation.run(until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.isClosed && !socket.wasReset)
  }

  @Test func `a guest that has not spoken yet is asked for by ARP`() throws {
    let simulation = Simulation(seed: 2)
    let (fd, _) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: listening(), source: source, owner: 0))
    simulation.stack.endOfIteration()
    #expect(syn(simulation) == nil)
    let request = try #require(simulation.host.frames.first)
    let isRequest = request.withByteView { view in
      guard let ethernet = EthernetPacket(checking: view),
        let packet = ARPPacket(checking: ethernet.payload)
      else { return false }
      return ethernet.destination == .broadcast && packet.targetIP == Simulation.guestAddress
    }
    #expect(isRequest)
    simulation.deliver([arp(ARPHeader.reply, target: Simulation.gateway)])
    #expect(syn(simulation) != nil)
  }

  @Test(arguments: [(true, nil), (true, false), (false, nil), (false, true)] as [(Bool, Bool?)])
  func `under which address a client is seen is the forward's choice, then the network's`(
    network: Bool, forward: Bool?
  ) throws {
    let simulation = Simulation(seed: 9) { $0.forwardsShowClients = network }
    simulation.deliver([arp(ARPHeader.request, target: Simulation.gateway)])
    simulation.host.frames = []
    try simulation.stack.forwards.expose(
      ForwardRule(
        kind: .tcp(Endpoint(.anyV4, port: 2222)), guest: listening(), showsClients: forward))
    let client = Endpoint(IPAddress(10, 7, 7, 7), port: 40007)
    simulation.kernel.waiting = [(simulation.kernel.makeConnected().fd, client)]
    let watch = try #require(simulation.host.watches.values.first)
    var event = FDEvent(token: watch.user, events: .read)
    simulation.stack.onFDs(&event, 1)
    let frame = try #require(simulation.host.frames.first)
    let source = frame.withByteView { view -> Endpoint? in
      guard let ethernet = EthernetPacket(checking: view),
        let ip = IPv4Packet(checking: ethernet.payload), let tcp = TCPPacket(checking: ip.payload)
      else { return nil }
      return Endpoint(ip.source, port: tcp.sourcePort)
    }
    if forward ?? network {
      #expect(source == client)
    } else {
      #expect(source?.address == Simulation.gateway)
    }
  }

  @Test func `a guest that refuses resets the client`() throws {
    let simulation = Simulation(seed: 3)
    simulation.deliver([arp(ARPHeader.request, target: Simulation.gateway)])
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: listening(), source: source, owner: 0))
    simulation.stack.endOfIteration()
    let header = try #require(syn(simulation))
    simulation.deliver([
      Frames.tcp(
        TCPHeader(
          sourcePort: 22, destinationPort: header.sourcePort, sequence: 0,
          acknowledgement: header.sequence &+ 1, flags: [.rst, .ack], window: 0),
        payload: [], source: Simulation.guestAddress, destination: Simulation.gateway)
    ])
    #expect(socket.isClosed && socket.wasReset)
    #expect(simulation.stack.tcp.flowCount == 0)
  }

  /// How a guest's server answers the SYN, all in one batch.
  enum Greeting: CaseIterable {
    case reset, fin, onlyText, finWithText, withSYN
  }

  @Test(arguments: Greeting.allCases)
  func `what a guest sends with its SYN, ACK in one batch is taken`(_ greeting: Greeting) throws {
    let simulation = Simulation(seed: 8)
    simulation.deliver([arp(ARPHeader.request, target: Simulation.gateway)])
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: listening(), source: source, owner: 0))
    simulation.stack.endOfIteration()
    let header = try #require(syn(simulation))
    let text = pattern(1000, seed: 3)
    func segment(_ flags: TCPFlags, _ sequence: UInt32, _ payload: [UInt8] = []) -> [UInt8] {
      Frames.tcp(
        TCPHeader(
          sourcePort: 22, destinationPort: header.sourcePort, sequence: sequence,
          acknowledgement: header.sequence &+ 1, flags: flags, window: 65535),
        payload: payload, source: Simulation.guestAddress, destination: Simulation.gateway)
    }
    let answer = segment([.syn, .ack], 0xffff_ff00)
    let first: UInt32 = 0xffff_ff01
    switch greeting {
    case .reset:
      simulation.deliver([
        answer, segment([.psh, .ack], first, text), segment([.rst, .ack], first &+ 1000),
      ])
    case .fin:
      simulation.deliver([
        answer, segment([.psh, .ack], first, text), segment([.fin, .ack], first &+ 1000),
      ])
    case .onlyText: simulation.deliver([answer, segment([.psh, .ack], first, text)])
    case .finWithText: simulation.deliver([answer, segment([.psh, .fin, .ack], first, text)])
    case .withSYN: simulation.deliver([segment([.syn, .fin, .ack], 0xffff_ff00, text)])
    }
    #expect(socket.received == text)
    switch greeting {
    case .reset: #expect(socket.isClosed && socket.wasReset)
    case .onlyText: #expect(!socket.isClosed && !socket.isShut)
    case .fin, .finWithText, .withSYN: #expect(socket.isShut && !socket.wasReset)
    }
  }

  @Test func `a guest that never answers ends in a reset of the client`() {
    let simulation = Simulation(seed: 4)
    let (fd, socket) = simulation.kernel.makeConnected()
    #expect(
      simulation.stack.tcp.openTowardGuest(
        socket: fd, link: 1, guest: listening(), source: source, owner: 0))
    simulation.stack.endOfIteration()
    #expect(simulation.run(for: 300_000_000_000, until: { $0.stack.tcp.flowCount == 0 }))
    #expect(socket.isClosed && socket.wasReset)
  }

  @Test func `a port that is taken is replaced`() throws {
    let simulation = Simulation(seed: 5)
    let fixed = Endpoint(Simulation.gateway, port: 50000)
    for _ in 0..<2 {
      let (fd, _) = simulation.kernel.makeConnected()
      #expect(
        simulation.stack.tcp.openTowardGuest(
          socket: fd, link: 1, guest: listening(), source: fixed, owner: 0))
    }
    #expect(simulation.stack.tcp.flowCount == 2)
  }
}

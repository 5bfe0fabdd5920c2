// SPDX-License-Identifier: Apache-2.0
//
// UDP between guests and host sockets (RFC 768, RFC 4787, RFC 1812 §5.3.1).
//
//   guest datagram ──► DHCP server, forward's client, DNS, or a peer of a flow
//                      queued with its flow; endOfIteration sends one batch per socket
//   host socket    ──► recvmmsg ──► known peer? ──► frames to the guest
//   error queue    ──► ICMP error to the guest, with the address of the router that sent it
//
// This file: from the guest to the queue. UDPEngine+Flows.swift creates and ends flows, +Send.swift sends queues,
// +Receive.swift reads sockets. Loop thread only.

import Wire

/// UDP flows of all links.
package final class UDPEngine {
  let stack: StackCore
  let config: UDPConfig
  var flows: Slab<UDPFlow>
  var peers: Slab<UDPPeer>
  var flowTable: FlowTable
  var peerTable: FlowTable
  let dns: DNSIntercept
  let forwards: OpenForwards
  let pings: PingSockets
  let inbox: DatagramInbox
  let outbox = DatagramOutbox()
  /// Flows with queued datagrams, linked by `nextWaiting`.
  var waiting: UInt32 = 0
  /// Why the last requested peer was not created.
  var lastRefusal = FlowRefusal.noRoom
  var logLimit = LogLimit()
  /// Maximum datagrams of one GSO frame (UDP_MAX_SEGMENTS of Linux).
  private static let longestTrain = 128
  /// Answers DHCP on every link; nil: unanswered.
  package var dhcp: DHCPService?
  /// Answers DHCPv6; nil: unanswered.
  package var dhcpV6: (any DHCPv6Service)?

  package var counters = UDPCounters()
  /// Host sockets in use.
  package var flowCount: Int { flows.count }

  init(stack: StackCore, dns: DNSIntercept, forwards: OpenForwards, pings: PingSockets) {
    self.stack = stack
    self.dns = dns
    self.forwards = forwards
    self.pings = pings
    inbox = stack.inbox
    config = stack.config.udp
    flows = Slab(capacity: config.maximumFlows)
    peers = Slab(capacity: config.maximumPeers)
    flowTable = FlowTable(slab: flows, seed: stack.random.next())
    peerTable = FlowTable(slab: peers, seed: stack.random.next())
  }

  /// A datagram from a guest; borrowed until the end of the callback.
  func input(_ packet: InboundPacket) {
    // Only IPv4 permits a datagram without a checksum (RFC 8200 §8.1).
    guard let datagram = UDPPacket(checking: packet.payload),
      packet.isChecksumTrusted && (datagram.checksum != 0 || packet.source.isV4)
        || datagram.isChecksumValid(source: packet.source, destination: packet.destination)
    else {
      stack.links.pointer(packet.link).pointee.counters.malformed &+= 1
      return
    }
    let key = FlowKey(
      link: packet.link, proto: IPProtocol.udp, guest: packet.source,
      guestPort: datagram.sourcePort, remote: packet.destination,
      remotePort: datagram.destinationPort)
    let payload = datagram.payload
    let segment = Int(packet.segmentSize)
    if segment == 0 || payload.count <= segment {
      dispatch(payload, of: packet, key)
    } else {
      dispatchTrain(payload, segment: segment, of: packet, key)
    }
  }

  /// One datagram.
  @inline(__always)
  private func dispatch(_ payload: ByteView, of packet: InboundPacket, _ key: FlowKey) {
    var peer = isPeer(packet.guess, key) ? packet.guess : peerTable.find(key)
    if peer != 0, flow(of: peer).pointee.isDeparted {
      // The slot's previous guest has left.
      closePeer(peer)
      peer = 0
    }
    if peer == 0 {
      peer = begin(packet, payload, key)
      guard peer != 0 else { return }
    }
    queue(payload, of: packet, to: peer)
  }

  @inline(__always)
  func flow(of peer: UInt32) -> UnsafeMutablePointer<UDPFlow> {
    flows.pointer(peers.pointer(peer).pointee.flow)
  }

  /// Whether a slot is the peer of this key; a freed slot still has its old key.
  @inline(__always)
  private func isPeer(_ index: UInt32, _ key: FlowKey) -> Bool {
    peers.isTaken(index) && peerTable.holds(index, key)
  }

  /// A GSO frame: datagrams of `segment` bytes, the last one shorter.
  private func dispatchTrain(
    _ payload: ByteView, segment: Int, of packet: InboundPacket, _ key: FlowKey
  ) {
    guard payload.count <= segment &* Self.longestTrain else {
      stack.links.pointer(packet.link).pointee.counters.malformed &+= 1
      return
    }
    var offset = 0
    while offset < payload.count {
      let length = min(segment, payload.count &- offset)
      dispatch(payload.slice(at: offset, count: length), of: packet, key)
      offset &+= length
    }
  }

  /// The first datagram between two endpoints. Returns the peer it goes to; 0 when it has been handled.
  private func begin(_ packet: InboundPacket, _ payload: ByteView, _ key: FlowKey) -> UInt32 {
    if key.remotePort == DHCPService.serverPort, let dhcp, dhcp.isFor(packet) {
      // It costs as much as a flow, and is limited like one.
      let share = stack.shares.of(packet.link, packet.sourceMAC)
      if stack.newFlows.admits(packet, share: share, now: stack.now) {
        _ = dhcp.receive(packet, payload)
      }
      return 0
    }
    if key.remotePort == UDPPort.dhcpV6Server, isForDHCPv6(packet) {
      let share = stack.shares.of(packet.link, packet.sourceMAC)
      guard let dhcpV6, stack.newFlows.admits(packet, share: share, now: stack.now) else {
        return dhcpV6 == nil ? ignore(packet) : 0
      }
      dhcpV6.receive(payload, from: key.guestPort, packet)
      return 0
    }
    guard !packet.source.isUnspecified else { return ignore(packet) }
    let client = forwards.datagramClient(key)
    if client != 0 {
      if outbox.isFull { endOfIteration() }
      forwards.answer(client, payload, in: outbox, now: stack.now)
      return 0
    }
    let remote = Endpoint(packet.destination, port: key.remotePort)
    switch stack.route(proto: IPProtocol.udp, to: remote, of: packet) {
    case .connect where stack.isBeyondScope(packet):
      stack.sendICMPError(about: packet, .beyondScope)
    case .connect(let target):
      return open(key, target: target, isLoopback: false, packet)
    case .hostLoopback(let target):
      return open(key, target: target, isLoopback: true, packet)
    case .dns:
      dns.datagram(payload, from: key.guestPort, of: packet)
    case .refused:
      stack.sendICMPError(about: packet, .port)
    case .unreachable:
      stack.sendICMPError(about: packet, .host)
    case .prohibited, .denied:
      stack.sendICMPError(about: packet, .prohibited)
    case .ignored:
      return ignore(packet)
    }
    return 0
  }

  /// RFC 8415 §18.3: to the group of servers and relays, or to one of the stack's addresses.
  private func isForDHCPv6(_ packet: InboundPacket) -> Bool {
    !packet.source.isV4
      && (packet.destination == .allDHCPAgents || stack.config.isOwn(packet.destination))
  }

  private func ignore(_ packet: InboundPacket) -> UInt32 {
    stack.links.pointer(packet.link).pointee.counters.ignored &+= 1
    return 0
  }

  /// Appends a datagram to the queue of its flow.
  private func queue(_ payload: ByteView, of packet: InboundPacket, to index: UInt32) {
    let peer = peers.pointer(index)
    let flow = flows.pointer(peer.pointee.flow)
    var hopLimit = packet.hopLimit
    if !peer.pointee.isLoopback {
      // The stack acts as a router (RFC 1812 §5.3.1).
      guard hopLimit > 1 else {
        stack.sendICMPError(about: packet, .hopLimit)
        return
      }
      hopLimit &-= 1
    }
    if outbox.isFull { endOfIteration() }
    if !peer.pointee.isLoopback, flow.pointee.socket.discovery != packet.discovery {
      // The queued datagrams need the socket's previous setting.
      if !flow.pointee.queue.isEmpty { endOfIteration() }
      flow.pointee.socket.setDiscovery(packet.discovery, stack.calls)
    }
    let trafficClass = packet.trafficClass
    if flow.pointee.queue.isEmpty {
      flow.pointee.nextWaiting = waiting
      waiting = peer.pointee.flow
      flow.pointee.guestMAC = packet.sourceMAC
      touch(peer.pointee.flow)
      touchPeer(index)
      // Usually the whole batch has the value of its first datagram.
      flow.pointee.socket.setTrafficClass(trafficClass, stack.calls)
    } else {
      touchPeer(index)
    }
    flow.pointee.isAnswered = false
    counters.guestDatagrams &+= 1
    outbox.append(
      Datagram(
        payload: payload, destination: peer.pointee.target,
        hopLimit: hopLimit == flow.pointee.socket.hopLimit ? 0 : hopLimit,
        trafficClass: trafficClass == flow.pointee.socket.trafficClass ? nil : trafficClass,
        owner: index),
      to: &flow.pointee.queue)
  }

  func onTimer(_ token: EventToken) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    let flow = flows.pointer(token.index)
    flow.pointee.timer = 0
    let deadline = deadline(of: flow)
    if flow.pointee.isDeparted || deadline <= stack.now {
      close(token.index)
    } else {
      flow.pointee.timer = stack.timers.schedule(at: deadline, token: token.rawValue)
    }
  }

  func linkDown(_ link: UInt32, _ departure: inout Departure) {
    for index in 1..<max(flows.endIndex, 1)
    where flows.isTaken(index) && flows.pointer(index).pointee.key.link == link {
      leave(index, &departure)
    }
    dhcp?.linkDown(link)
    dhcpV6?.linkDown(link)
  }

  /// Stations behind a link that stays up are gone.
  func stationsDown(
    _ stations: Set<MACAddress>, on link: UInt32, _ departure: inout Departure
  ) {
    dhcpV6?.stationsDown(stations, on: link)
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) {
      let flow = flows.pointer(index)
      guard flow.pointee.key.link == link, stations.contains(flow.pointee.guestMAC) else {
        continue
      }
      leave(index, &departure)
    }
  }

  func shutDown() {
    for index in 1..<max(flows.endIndex, 1) where flows.isTaken(index) { close(index) }
  }
}

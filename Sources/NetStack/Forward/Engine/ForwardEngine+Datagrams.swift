// SPDX-License-Identifier: Apache-2.0
//
// UDP forwards: one socket of the host with many clients, each of which is a remote endpoint of its own to the guest.
//
//   client C ──► host:port ──► guest, from C itself or from the gateway with a port of C's
//   guest ──► that remote endpoint ──► C, from the address that C sent to (IP_PKTINFO)

import Wire

extension ForwardEngine {
  private static let rounds = 4

  // MARK: From the host

  func receiveDatagrams(_ id: UInt32, _ listener: ForwardListener, _ events: FDEvents) {
    guard let table = registry.datagrams else { return }
    if events.contains(.error) { _ = stack.calls.takeError(listener.fd) }
    let inbox = stack.inbox
    for _ in 0..<Self.rounds {
      let count = inbox.receive(listener.fd, stack.calls)
      guard count > 0 else { return }
      let link = link(for: listener.spec)
      for index in 0..<inbox.count {
        guard link != 0, !inbox.isTruncated(index), let source = inbox.source(index) else {
          continue
        }
        let hostKey = UDPForwardTable.HostKey(listener: id, client: source)
        var client = table.find(hostKey)
        if client != 0, table.clients.pointer(client).pointee.key.link != link {
          forget(client, table)
          client = 0
        }
        if client == 0 {
          client = add(source, local: localAddress(index), id, listener, link, table)
          guard client != 0 else { continue }
        }
        registry.use(client, of: listener, now: stack.now)
        deliver(inbox.payload(index), from: table.clients.pointer(client))
      }
      stack.transmitter.flush()
      if count < DatagramInbox.capacity { return }
    }
  }

  private func add(
    _ client: Endpoint, local: IPAddress, _ id: UInt32, _ listener: ForwardListener,
    _ link: UInt32, _ table: UDPForwardTable
  ) -> UInt32 {
    let isVisible = isVisible(client.address, through: listener)
    let guest = listener.spec.guest
    var key = FlowKey(
      link: link, proto: IPProtocol.udp, guest: guest.address, guestPort: guest.port,
      remote: isVisible ? client.address : stack.config.gateway(for: guest.address),
      remotePort: client.port)
    // Two clients may differ only in their address, or have a port with which the guest reaches the host itself: the
    // next free port is used.
    var attempts = 0
    while table.find(key) != 0 || udp.peerTable.find(key) != 0 {
      attempts += 1
      guard attempts < 64 else { return 0 }
      key.remote = stack.config.gateway(for: guest.address)
      key.remotePort = UInt16.random(in: stack.config.sourcePorts, using: &stack.random)
    }
    if table.count >= UDPForwardTable.capacity { forgetOldest(preferring: listener, table) }
    let index = table.insert(
      UDPForwardClient(
        key: key, listener: id, client: client, local: local, lastUsed: stack.now))
    if index != 0 {
      listener.connections += 1
      listener.order.append(index, in: table.clients)
    }
    if table.timer == 0 { armSweep(table) }
    return index
  }

  private func deliver(
    _ payload: ByteView, from client: UnsafeMutablePointer<UDPForwardClient>
  ) {
    let key = client.pointee.key
    let source = Endpoint(key.remote, port: key.remotePort)
    let guest = Endpoint(key.guest, port: key.guestPort)
    if let mac = stack.neighbor(key.guest, on: key.link) {
      _ = stack.sendUDP(payload, from: source, to: guest, mac: mac, on: key.link)
      return
    }
    // The guest's Ethernet address is unknown: the datagram waits for address resolution, if it fits into a frame.
    let isV4 = guest.address.isV4
    let ipHeader = isV4 ? IPv4Header.encodedLength : IPv6Header.encodedLength
    let headers = EthernetHeader.encodedLength + ipHeader
    let length = UDPHeader.encodedLength + payload.count
    guard ipHeader + length <= Int(stack.links.pointer(key.link).pointee.mtu) else { return }
    let frame = [UInt8](capacity: headers + length) { out in
      EthernetHeader(
        destination: .zero, source: stack.config.gatewayMAC,
        etherType: isV4 ? EtherType.ipv4 : EtherType.ipv6
      ).emit(into: out)
      let ip = out.dropFirst(EthernetHeader.encodedLength)
      if isV4 {
        IPv4Header(
          source: source.address, destination: guest.address, protocolNumber: IPProtocol.udp,
          payloadLength: length, identification: stack.nextIdentification()
        ).emit(into: ip)
      } else {
        IPv6Header(
          source: source.address, destination: guest.address, nextHeader: IPProtocol.udp,
          payloadLength: length
        ).emit(into: ip)
      }
      let udp = out.dropFirst(headers)
      UDPHeader(
        sourcePort: source.port, destinationPort: guest.port, payloadLength: payload.count
      ).emit(into: udp, payload: payload, source: source.address, destination: guest.address)
      udp.store(payload, at: UDPHeader.encodedLength)
      return headers + length
    }
    stack.sendWhenResolved(frame, to: guest.address, on: key.link)
  }

  /// The host's address to which a client sent.
  private func localAddress(_ index: Int) -> IPAddress {
    for message in stack.inbox.controls(index) {
      // struct in_pktinfo: interface, local address, destination.
      if message.level == SocketConstant.levelIP, message.type == SocketConstant.packetInfo,
        message.data.count >= 12
      {
        return message.data.ipv4Address(at: 4)
      }
      if message.level == SocketConstant.levelIPv6, message.type == SocketConstant.packetInfoV6,
        message.data.count >= 16
      {
        return message.data.ipv6Address(at: 0)
      }
    }
    return .anyV4
  }

  // MARK: Age

  private func armSweep(_ table: UDPForwardTable) {
    table.timer = stack.timers.schedule(
      at: stack.now &+ UDPForwardTable.sweepTime,
      token: EventToken(.forward, index: 0, generation: UDPForwardTable.timerGeneration).rawValue)
  }

  func expireClients() {
    guard let table = registry.datagrams else { return }
    table.timer = 0
    let now = stack.now
    if now > UDPForwardTable.idleTime {
      let deadline = now - UDPForwardTable.idleTime
      for listener in registry.listeners.values {
        // Bounded by the number of clients: each step removes one.
        for _ in 0..<max(0, listener.connections) {
          let index = listener.order.oldest
          guard index != 0, table.clients.pointer(index).pointee.lastUsed <= deadline else { break }
          forget(index, table)
        }
      }
    }
    if table.count > 0 { armSweep(table) }
  }

  func forgetClients(where isOver: (UDPForwardClient) -> Bool) {
    guard let table = registry.datagrams else { return }
    for index in table.indices(where: isOver) { forget(index, table) }
  }

  private func forget(_ index: UInt32, _ table: UDPForwardTable) {
    guard index != 0 else { return }
    if let listener = registry.listeners[table.clients.pointer(index).pointee.listener] {
      listener.connections -= 1
      listener.order.remove(index, in: table.clients)
    }
    table.remove(index)
  }

  /// Removes the longest idle client of the forward with the most.
  private func forgetOldest(preferring listener: ForwardListener, _ table: UDPForwardTable) {
    var victim = listener
    for other in registry.listeners.values
    where other.order.oldest != 0 && other.connections > victim.connections {
      victim = other
    }
    forget(victim.order.oldest, table)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Creation, ageing and end of UDP flows and their peers. Both are bounded: when full, the longest idle one of the
// guest with the most is closed (RFC 4787 §11: a guest must not exhaust the host; it may lose its own oldest mapping,
// but not those of others).

import LibC
import Platform
import Wire

extension UDPEngine {
  /// The fields of a flow's first packet that its socket needs.
  struct FlowOrigin {
    var mac: MACAddress
    var hopLimit: UInt8
    var trafficClass: UInt8
  }

  /// The peer for `key`, which has none yet; 0 when the host gives no socket, or the packet has been handled.
  func open(
    _ key: FlowKey, target: Endpoint, isLoopback: Bool, _ packet: InboundPacket
  ) -> UInt32 {
    let share = stack.shares.of(packet.link, packet.sourceMAC)
    if flowTable.find(Self.flowKey(key, target)) == 0 {
      guard stack.newFlows.admits(packet, share: share, now: stack.now) else { return 0 }
    }
    let origin = FlowOrigin(
      mac: packet.sourceMAC, hopLimit: packet.hopLimit, trafficClass: packet.trafficClass)
    if let peer = openPeer(key, target: target, isLoopback: isLoopback, origin, share) {
      return peer
    }
    switch lastRefusal {
    case .ownSocket: stack.sendICMPError(about: packet, .port)
    case .noFamily:
      // The host has no IPv6 at all.
      if isLoopback,
        let peer = openPeer(key, target: target.onOtherLoopback, isLoopback: true, origin, share)
      {
        return peer
      }
      stack.sendICMPError(about: packet, .noRoute)
    case .noRoom: break
    }
    return 0
  }

  /// Why `openPeer` created none.
  enum FlowRefusal {
    case noRoom, ownSocket, noFamily
  }

  /// A flow is identified by the guest's endpoint and the family of its socket.
  private static func flowKey(_ key: FlowKey, _ target: Endpoint) -> FlowKey {
    var key = key
    key.remote = target.address.isV4 ? .anyV4 : .anyV6
    key.remotePort = 0
    return key
  }

  /// A new peer, and its flow if there is none; nil: `lastRefusal` gives the reason.
  func openPeer(
    _ key: FlowKey, target: Endpoint, isLoopback: Bool, _ origin: FlowOrigin, _ share: UInt32
  ) -> UInt32? {
    let flowKey = Self.flowKey(key, target)
    lastRefusal = .noRoom
    var index = flowTable.find(flowKey)
    if index == 0 {
      index = openFlow(flowKey, isLoopback: isLoopback, origin, share)
      guard index != 0 else { return nil }
    }
    if isOwnSocket(index, target, isLoopback: isLoopback) {
      if flows.pointer(index).pointee.peerCount == 0 { close(index) }
      lastRefusal = .ownSocket
      return nil
    }
    let flow = flows.pointer(index)
    if flow.pointee.peerCount >= UInt32(config.maximumPeersPerFlow) {
      closePeer(flow.pointee.peerOrder.oldest)
    }
    let peer = UDPPeer(key: key, flow: index, target: target, isLoopback: isLoopback)
    var slot = peers.insert(peer)
    if slot == 0, makePeerRoom(for: index) { slot = peers.insert(peer) }
    guard slot != 0 else {
      if flow.pointee.peerCount == 0 { close(index) }
      return nil
    }
    flow.pointee.peerOrder.append(slot, in: peers)
    flow.pointee.peerCount &+= 1
    stack.shares.pointer(flow.pointee.share).pointee.peers &+= 1
    if target.port != 53 { flow.pointee.isDNSOnly = false }
    peerTable.insert(slot)
    return slot
  }

  private func openFlow(
    _ key: FlowKey, isLoopback: Bool, _ origin: FlowOrigin, _ share: UInt32
  ) -> UInt32 {
    guard stack.isWithinLimits(share) || replacesOwn(share) else { return 0 }
    if flows.count >= stack.descriptors.udp { _ = makeRoom(for: share) }
    let isV4 = key.remote.isV4
    let fd = openDatagramSocket(isV4: isV4, for: share)
    guard fd >= 0 else {
      if -fd == EAFNOSUPPORT {
        lastRefusal = .noFamily
      } else {
        refuse("the host gives no UDP socket: \(errorText(-fd))")
      }
      return 0
    }
    let index = flows.insert(
      UDPFlow(
        key: key, socket: DatagramSocket(fd: fd, isV4: isV4, stack.calls),
        guestMAC: origin.mac, lastUsed: stack.now, share: share,
        segmentation: config.segmentation))
    guard index != 0 else {
      _ = stack.calls.close(stack.calls.context, fd)
      refuse("too many UDP flows")
      return 0
    }
    let token = EventToken(.udp, index: index, generation: flows.generation(index))
    let watch = stack.host.watch(fd, events: .read, token: token)
    let flow = flows.pointer(index)
    guard watch != 0 else {
      flows.remove(index)
      _ = stack.calls.close(stack.calls.context, fd)
      refuse("the host cannot watch another socket")
      return 0
    }
    flow.pointee.socket.watch = watch
    flow.pointee.socket.setHopLimit(max(origin.hopLimit, 2) &- 1, stack.calls)
    flow.pointee.socket.setTrafficClass(origin.trafficClass, stack.calls)
    if !isLoopback { keepPort(flow) }
    enlarge(fd)
    flow.pointee.timer = stack.timers.schedule(
      at: stack.now &+ config.idleTime, token: token.rawValue)
    flowTable.insert(index)
    let state = stack.shares.pointer(share)
    state.pointee.datagramFlows &+= 1
    state.pointee.datagramOrder.append(index, in: flows)
    return index
  }

  /// Binds the socket to the guest's own port, if it is free; otherwise the kernel chooses one.
  private func keepPort(_ flow: UnsafeMutablePointer<UDPFlow>) {
    let port = flow.pointee.key.guestPort
    guard keptPorts.contains(port) else { return }
    let local = Endpoint(flow.pointee.key.remote, port: port)
    let result = SocketAddress(local).withSockaddr {
      stack.calls.bind(stack.calls.context, flow.pointee.socket.fd, $0, $1)
    }
    if result == 0 { flow.pointee.keptPort = port }
  }

  /// Whether a datagram of this flow would return to its own socket, which has this port of the host: no other
  /// process listens there.
  func isOwnSocket(_ index: UInt32, _ target: Endpoint, isLoopback: Bool) -> Bool {
    guard flows.pointer(index).pointee.keptPort == target.port, target.port != 0 else {
      return false
    }
    return isLoopback || isHostAddress(target.address, for: index)
  }

  /// Whether an address is one of this host's: a packet to it leaves from the same address.
  private func isHostAddress(_ address: IPAddress, for index: UInt32) -> Bool {
    let fd = openDatagramSocket(isV4: address.isV4, for: flows.pointer(index).pointee.share)
    guard fd >= 0 else { return false }
    defer { _ = stack.calls.close(stack.calls.context, fd) }
    let isRouted = SocketAddress(Endpoint(address, port: 9)).withSockaddr {
      stack.calls.connect(stack.calls.context, fd, $0, $1)
    }
    guard isRouted == 0 else { return false }
    var local = SocketAddress()
    _ = local.withMutableSockaddr { stack.calls.localAddress(stack.calls.context, fd, $0, $1) }
    return local.endpoint?.address == address
  }

  private func enlarge(_ fd: Int32) {
    let calls = stack.calls
    if config.segmentation {
      // Older kernels refuse: datagrams are then received one by one.
      calls.set(fd, SocketConstant.levelUDP, SocketConstant.udpReceiveOffload, 1)
    }
    // As much as the host permits: datagrams are buffered here while the loop does other work.
    calls.set(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20)
    calls.set(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)
  }

  private func refuse(_ reason: String) {
    counters.refused &+= 1
    guard let suppressed = logLimit.take(now: stack.now) else { return }
    stack.host.log(
      .warning,
      "\(reason); \(Plural.text(flows.count, "UDP flow")), datagrams of new ones are dropped"
        + (suppressed > 0
          ? " (and \(Plural.times(Int(clamping: suppressed))) since this was said last)" : ""))
  }

  /// Ends the longest idle flow of the guest with the most flows; false when there is none.
  func makeRoom(for share: UInt32) -> Bool {
    let victim = stack.shares.busiest(preferring: share) { $0.pointee.datagramFlows }
    return evictOldest(of: victim)
  }

  /// Beyond its limit a guest's own port that was idle longest makes room.
  private func replacesOwn(_ share: UInt32) -> Bool {
    stack.shares.pointer(share).pointee.counters.connectionsLimited &+= 1
    return evictOldest(of: share)
  }

  /// Ends the flow of a guest that was idle longest; false when there is none.
  func evictOldest(of share: UInt32) -> Bool {
    let state = stack.shares.pointer(share)
    let oldest = state.pointee.datagramOrder.oldest
    guard oldest != 0 else { return false }
    counters.evicted &+= 1
    state.pointee.counters.evicted &+= 1
    close(oldest)
    return true
  }

  /// Ends a peer of the guest with the most: the longest idle peer of its longest idle flow, and that flow, too, if
  /// it was the last. False when the only one is of `index` itself.
  private func makePeerRoom(for index: UInt32) -> Bool {
    let flow = flows.pointer(index)
    let victim = stack.shares.busiest(preferring: flow.pointee.share) { $0.pointee.peers }
    var oldest = stack.shares.pointer(victim).pointee.datagramOrder.oldest
    if oldest == index { oldest = flows.pointer(oldest).pointee.newer }
    guard oldest != 0 else {
      guard flow.pointee.peerOrder.oldest != 0 else { return false }
      closePeer(flow.pointee.peerOrder.oldest)
      return true
    }
    if flows.pointer(oldest).pointee.peerCount > 1 {
      closePeer(flows.pointer(oldest).pointee.peerOrder.oldest)
    } else {
      counters.evicted &+= 1
      stack.shares.pointer(victim).pointee.counters.evicted &+= 1
      close(oldest)
    }
    return true
  }

  /// The guest of a flow is gone. Packets no longer match the flow; its socket is closed now or a little later, and
  /// counts as the guest's until then. So do its peers: a look-up that finds one meanwhile sees that the flow has
  /// departed.
  func leave(_ index: UInt32, _ departure: inout Departure) {
    let flow = flows.pointer(index)
    let cost = Self.cost(peers: Int(flow.pointee.peerCount))
    guard !departure.endsNow(cost: cost) else { return close(index) }
    detach(flow, index)
    flow.pointee.isDeparted = true
    flow.pointee.key.link = 0
    stack.timers.reschedule(flow.pointee.timer, at: stack.now &+ departure.delay(cost: cost))
  }

  /// The cost of ending a flow, in flows without peers: a peer costs a few memory accesses, a socket some system
  /// calls.
  static func cost(peers: Int) -> Int { 1 + peers / 32 }

  /// Ends a flow and all of its peers.
  func close(_ index: UInt32) {
    let flow = flows.pointer(index)
    if !flow.pointee.isDeparted { detach(flow, index) }
    while flow.pointee.peerOrder.oldest != 0 { closePeer(flow.pointee.peerOrder.oldest) }
    stack.timers.cancel(flow.pointee.timer)
    flow.pointee.socket.close(stack.host, stack.calls)
    let share = stack.shares.pointer(flow.pointee.share)
    share.pointee.datagramFlows &-= 1
    share.pointee.datagramOrder.remove(index, in: flows)
    flows.remove(index)
  }

  /// Removes a flow from the table that new peers use, and drops its queued datagrams.
  private func detach(_ flow: UnsafeMutablePointer<UDPFlow>, _ index: UInt32) {
    if !flow.pointee.queue.isEmpty { leaveWaiting(index) }
    flow.pointee.queue = DatagramQueue()
    flowTable.remove(index)
  }

  private func leaveWaiting(_ index: UInt32) {
    let next = flows.pointer(index).pointee.nextWaiting
    if waiting == index {
      waiting = next
      return
    }
    var at = waiting
    while at != 0, flows.pointer(at).pointee.nextWaiting != index {
      at = flows.pointer(at).pointee.nextWaiting
    }
    if at != 0 { flows.pointer(at).pointee.nextWaiting = next }
  }

  func closePeer(_ index: UInt32) {
    let flow = flows.pointer(peers.pointer(index).pointee.flow)
    peerTable.remove(index)
    flow.pointee.peerOrder.remove(index, in: peers)
    flow.pointee.peerCount &-= 1
    stack.shares.pointer(flow.pointee.share).pointee.peers &-= 1
    peers.remove(index)
  }

  // MARK: Age

  /// When a flow ends if it stays idle.
  func deadline(of flow: UnsafeMutablePointer<UDPFlow>) -> UInt64 {
    let isShort = flow.pointee.isDNSOnly && flow.pointee.isAnswered
    return flow.pointee.lastUsed &+ (isShort ? config.answeredDNSTime : config.idleTime)
  }

  /// Records a datagram to or from a flow.
  @inline(__always)
  func touch(_ index: UInt32) {
    let flow = flows.pointer(index)
    if UseList.isStale(flow.pointee.lastUsed, now: stack.now) {
      stack.shares.pointer(flow.pointee.share).pointee.datagramOrder.touch(index, in: flows)
    }
    flow.pointee.lastUsed = stack.now
  }

  /// Makes a peer the newest of its flow.
  @inline(__always)
  func touchPeer(_ index: UInt32) {
    flows.pointer(peers.pointer(index).pointee.flow).pointee.peerOrder.touch(index, in: peers)
  }
}

/// The C name of an errno.
func errorText(_ code: Int32) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}

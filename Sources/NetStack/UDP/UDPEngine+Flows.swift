// SPDX-License-Identifier: Apache-2.0
//
// How UDP flows and their peers begin, age and end. Both are bounded: the one
// that was idle longest makes room (RFC 4787 §11: a guest must not exhaust the
// host, and may lose its own oldest mapping for it).

import PluginAPI

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension UDPEngine {
  /// The peer for `key`, which has none yet; 0 when the host gives no socket.
  func open(
    _ key: FlowKey, target: Endpoint, isLoopback: Bool, _ packet: InboundPacket
  ) -> UInt32 {
    var flowKey = key
    flowKey.remote = key.guest.isV4 ? .anyV4 : .anyV6
    flowKey.remotePort = 0
    var index = flowTable.find(flowKey)
    if index == 0 {
      index = openFlow(flowKey, packet)
      guard index != 0 else { return 0 }
    }
    let flow = flows.pointer(index)
    if flow.pointee.peerCount >= UInt32(config.maximumPeersPerFlow) {
      closePeer(flow.pointee.oldestPeer)
    }
    var peer = UDPPeer(key: key, flow: index, target: target, isLoopback: isLoopback)
    peer.older = flow.pointee.newestPeer
    var slot = peers.insert(peer)
    if slot == 0, flow.pointee.oldestPeer != 0 {
      closePeer(flow.pointee.oldestPeer)
      peer.older = flow.pointee.newestPeer
      slot = peers.insert(peer)
    }
    guard slot != 0 else {
      if flow.pointee.peerCount == 0 { close(index) }
      return 0
    }
    if peer.older != 0 {
      peers.pointer(peer.older).pointee.newer = slot
    } else {
      flow.pointee.oldestPeer = slot
    }
    flow.pointee.newestPeer = slot
    flow.pointee.peerCount &+= 1
    if target.port != 53 { flow.pointee.isDNSOnly = false }
    peerTable.insert(slot)
    return slot
  }

  private func openFlow(_ key: FlowKey, _ packet: InboundPacket) -> UInt32 {
    if flows.count >= config.maximumFlows { evictOldest() }
    var fd = openSocket(isV4: key.guest.isV4)
    if fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS, oldestFlow != 0 {
      evictOldest()
      fd = openSocket(isV4: key.guest.isV4)
    }
    guard fd >= 0 else {
      refuse("the host gives no UDP socket: \(errorText(-fd))")
      return 0
    }
    let hopLimit = max(packet.hopLimit, 2) &- 1
    let index = flows.insert(
      UDPFlow(
        key: key, fd: fd, guestMAC: packet.sourceMAC, lastUsed: stack.now, hopLimit: hopLimit,
        segmentation: config.segmentation))
    guard index != 0 else {
      _ = stack.calls.close(stack.calls.context, fd)
      refuse("too many UDP flows")
      return 0
    }
    let token = EventToken(.udp, index: index, generation: flows.generation(index))
    let watch = stack.host.watch(fd, events: LND_FD_READ, token: token)
    let flow = flows.pointer(index)
    guard watch != 0 else {
      flows.remove(index)
      _ = stack.calls.close(stack.calls.context, fd)
      refuse("the host cannot watch another socket")
      return 0
    }
    configure(fd, isV4: key.guest.isV4, hopLimit: hopLimit)
    flow.pointee.watch = watch
    flow.pointee.timer = stack.timers.schedule(
      at: stack.now &+ config.idleTime, token: token.rawValue)
    flowTable.insert(index)
    pushNewest(index)
    return index
  }

  private func openSocket(isV4: Bool) -> Int32 {
    stack.calls.socket(
      stack.calls.context, isV4 ? AF_INET : AF_INET6, Int32(SOCK_DGRAM.rawValue), 0)
  }

  private func configure(_ fd: Int32, isV4: Bool, hopLimit: UInt8) {
    let calls = stack.calls
    let level = isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6
    calls.set(
      fd, level, isV4 ? SocketConstant.receiveErrors : SocketConstant.receiveErrorsV6, 1)
    calls.set(
      fd, level, isV4 ? SocketConstant.timeToLive : SocketConstant.unicastHopsV6, Int32(hopLimit))
    if config.segmentation {
      // An older kernel says no: datagrams then come one by one.
      calls.set(fd, SocketConstant.levelUDP, SocketConstant.udpReceiveOffload, 1)
    }
    // As much as the host allows: datagrams wait here while the loop does other work.
    calls.set(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20)
    calls.set(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)
  }

  private func refuse(_ reason: String) {
    counters.refused &+= 1
    guard !hasLoggedLimit else { return }
    hasLoggedLimit = true
    stack.host.log(LND_LOG_WARN, "\(reason); said once, datagrams are dropped meanwhile")
  }

  private func evictOldest() {
    guard oldestFlow != 0 else { return }
    counters.evicted &+= 1
    close(oldestFlow)
  }

  /// Ends a flow and all of its peers.
  func close(_ index: UInt32) {
    let flow = flows.pointer(index)
    while flow.pointee.oldestPeer != 0 { closePeer(flow.pointee.oldestPeer) }
    if !flow.pointee.queue.isEmpty { leaveWaiting(index) }
    stack.timers.cancel(flow.pointee.timer)
    stack.host.unwatch(flow.pointee.watch)
    _ = stack.calls.close(stack.calls.context, flow.pointee.fd)
    flowTable.remove(index)
    unlink(index)
    flows.remove(index)
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

  private func closePeer(_ index: UInt32) {
    let peer = peers.pointer(index)
    let flow = flows.pointer(peer.pointee.flow)
    peerTable.remove(index)
    unlinkPeer(peer, of: flow)
    flow.pointee.peerCount &-= 1
    peers.remove(index)
  }

  // MARK: Age

  /// When a flow ends if nothing happens.
  func deadline(of flow: UnsafeMutablePointer<UDPFlow>) -> UInt64 {
    let isShort = flow.pointee.isDNSOnly && flow.pointee.isAnswered
    return flow.pointee.lastUsed &+ (isShort ? config.answeredDNSTime : config.idleTime)
  }

  /// A datagram went to or came from a flow.
  @inline(__always)
  func touch(_ index: UInt32) {
    flows.pointer(index).pointee.lastUsed = stack.now
    if newestFlow != index {
      unlink(index)
      pushNewest(index)
    }
  }

  private func pushNewest(_ index: UInt32) {
    let flow = flows.pointer(index)
    flow.pointee.newer = 0
    flow.pointee.older = newestFlow
    if newestFlow != 0 {
      flows.pointer(newestFlow).pointee.newer = index
    } else {
      oldestFlow = index
    }
    newestFlow = index
  }

  private func unlink(_ index: UInt32) {
    let flow = flows.pointer(index)
    let older = flow.pointee.older
    let newer = flow.pointee.newer
    if older != 0 {
      flows.pointer(older).pointee.newer = newer
    } else if oldestFlow == index {
      oldestFlow = newer
    }
    if newer != 0 {
      flows.pointer(newer).pointee.older = older
    } else if newestFlow == index {
      newestFlow = older
    }
  }

  /// Makes a peer the newest of its flow.
  func touchPeer(_ index: UInt32) {
    let peer = peers.pointer(index)
    let flow = flows.pointer(peer.pointee.flow)
    guard flow.pointee.newestPeer != index else { return }
    unlinkPeer(peer, of: flow)
    peer.pointee.newer = 0
    peer.pointee.older = flow.pointee.newestPeer
    // There is another one, or this would be the newest.
    peers.pointer(flow.pointee.newestPeer).pointee.newer = index
    flow.pointee.newestPeer = index
  }

  private func unlinkPeer(
    _ peer: UnsafeMutablePointer<UDPPeer>, of flow: UnsafeMutablePointer<UDPFlow>
  ) {
    let older = peer.pointee.older
    let newer = peer.pointee.newer
    if older != 0 {
      peers.pointer(older).pointee.newer = newer
    } else {
      flow.pointee.oldestPeer = newer
    }
    if newer != 0 {
      peers.pointer(newer).pointee.older = older
    } else {
      flow.pointee.newestPeer = older
    }
  }
}

/// What the kernel calls an errno.
func errorText(_ code: Int32) -> String {
  guard let text = strerror(code) else { return "error \(code)" }
  return String(cString: text)
}

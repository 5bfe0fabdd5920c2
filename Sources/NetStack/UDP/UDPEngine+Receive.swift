// SPDX-License-Identifier: Apache-2.0
//
// From the host's sockets to the guest: datagrams, and ICMP errors about datagrams.

import Wire

extension UDPEngine {
  /// Maximum recvmmsg calls for one socket before other sockets are read.
  private static let rounds = 4
  /// Maximum payload of a GSO frame, which with its headers is one IP packet to the guest until it is segmented.
  private static let longestTrain = 65_000

  /// A socket is ready (FDEvents).
  func onEvent(_ token: EventToken, _ events: FDEvents) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    guard !flows.pointer(token.index).pointee.isDeparted else { return close(token.index) }
    if events.contains(.error) { readErrors(token.index) }
    guard events.contains(.read) else { return }
    for _ in 0..<Self.rounds {
      let count = inbox.receive(flows.pointer(token.index).pointee.socket.fd, stack.calls)
      // The error of an earlier datagram, read from the queue above; or nothing to read.
      guard count > 0 else { return }
      deliver(to: token.index)
      // Flushes before the inbox is reused.
      stack.transmitter.flush()
      if count < DatagramInbox.capacity { return }
    }
  }

  /// Sends the datagrams of the inbox to the flow's guest.
  private func deliver(to index: UInt32) {
    let flow = flows.pointer(index)
    let link = flow.pointee.key.link
    follow(flow)
    var last: (source: Endpoint, seen: Endpoint)?
    var datagram = 0
    while datagram < inbox.count {
      var count = 1
      defer { datagram &+= count }
      guard !inbox.isTruncated(datagram), let source = inbox.source(datagram) else { continue }
      if last?.source != source {
        let seen = stack.seen(source, by: flow.pointee.key.guest)
        guard isExpected(seen, by: flow) else {
          counters.filtered &+= 1
          continue
        }
        last = (source, seen)
        // Only now: an unexpected remote endpoint must not keep a mapping alive (RFC 4787 REQ-6).
        touch(index)
      }
      guard let seen = last?.seen else { continue }
      if flow.pointee.isDNSOnly, !flow.pointee.isAnswered { noteAnswer(index) }
      let payload = inbox.payload(datagram)
      let traits = traits(datagram)
      let isSent: Bool
      if traits.segment > 0, traits.segment < payload.count {
        isSent = stack.sendUDPTrain(
          payload, segment: traits.segment, from: seen, to: flow.pointee.guest,
          trafficClass: traits.trafficClass, mac: flow.pointee.guestMAC, on: link)
      } else {
        let train = train(
          from: datagram, source, traits.trafficClass, to: flow.pointee.guest, on: link)
        count = train.count
        isSent =
          count > 1
          ? stack.sendUDPTrain(
            inbox, from: datagram, count: count, segment: payload.count,
            byteCount: train.byteCount, from: seen, to: flow.pointee.guest,
            trafficClass: traits.trafficClass, mac: flow.pointee.guestMAC, on: link)
          : stack.sendUDP(
            payload, from: seen, to: flow.pointee.guest, trafficClass: traits.trafficClass,
            mac: flow.pointee.guestMAC, on: link)
      }
      counters.hostDatagrams &+= UInt64(count)
      if !isSent { counters.dropped &+= UInt64(count) }
    }
  }

  /// How many datagrams from `first` on may be one GSO frame, and their bytes: those of one remote endpoint with
  /// equal sizes, on a link that supports it. A guest's kernel then processes all of them in one pass through its
  /// device and its stack.
  private func train(
    from first: Int, _ source: Endpoint, _ trafficClass: UInt8, to guest: Endpoint,
    on link: UInt32
  ) -> (count: Int, byteCount: Int) {
    let segment = inbox.payload(first).count
    guard stack.takesTrains(of: segment, to: guest, on: link) else { return (1, segment) }
    var count = 1
    var byteCount = segment
    while first &+ count < inbox.count {
      let next = first &+ count
      let length = inbox.payload(next).count
      guard length > 0, length <= segment, byteCount &+ length <= Self.longestTrain,
        !inbox.isTruncated(next), inbox.source(next) == source
      else { break }
      let traits = traits(next)
      guard traits.segment == 0 || traits.segment >= length, traits.trafficClass == trafficClass
      else { break }
      count &+= 1
      byteCount &+= length
      if length < segment { break }
    }
    return (count, byteCount)
  }

  /// The control messages of a datagram: the segment size of a UDP_GRO train (0 for a single datagram), and the
  /// traffic class.
  @inline(__always)
  private func traits(_ datagram: Int) -> (segment: Int, trafficClass: UInt8) {
    var segment = 0
    var trafficClass: UInt8 = 0
    for message in inbox.controls(datagram) {
      switch (message.level, message.type) {
      case (SocketConstant.levelUDP, SocketConstant.udpReceiveOffload)
      where message.data.count >= 4:
        segment = Int(max(message.data.base.loadUnaligned(as: Int32.self), 0))
      case (SocketConstant.levelIP, SocketConstant.trafficClass) where message.data.count >= 1:
        trafficClass = message.data[0]
      case (SocketConstant.levelIPv6, SocketConstant.trafficClassV6)
      where message.data.count >= 4:
        trafficClass = UInt8(
          truncatingIfNeeded: message.data.base.loadUnaligned(as: Int32.self))
      default: break
      }
    }
    return (segment, trafficClass)
  }

  /// Whether the guest has sent to this address from this flow (RFC 4787 REQ-8).
  private func isExpected(_ remote: Endpoint, by flow: UnsafeMutablePointer<UDPFlow>) -> Bool {
    var key = flow.pointee.key
    key.remote = remote.address
    key.remotePort = remote.port
    let peer = peerTable.find(key)
    if peer != 0, !self.flow(of: peer).pointee.isDeparted { return true }
    // Another port of an address to which the guest has sent: only the latest few peers are searched, so that a flood
    // from outside is cheap.
    var at = flow.pointee.peerOrder.newest
    var looks = 0
    while at != 0, looks < 16 {
      if peers.pointer(at).pointee.key.remote == remote.address { return true }
      at = peers.pointer(at).pointee.older
      looks &+= 1
    }
    return false
  }

  /// A flow that queried a DNS server has an answer and may end soon.
  private func noteAnswer(_ index: UInt32) {
    let flow = flows.pointer(index)
    flow.pointee.isAnswered = true
    stack.timers.reschedule(flow.pointee.timer, at: deadline(of: flow))
  }

  /// The guest may have changed its Ethernet address since its last packet.
  private func follow(_ flow: UnsafeMutablePointer<UDPFlow>) {
    flow.pointee.guestMAC = stack.currentMAC(
      flow.pointee.guestMAC, of: flow.pointee.key.guest, on: flow.pointee.key.link)
  }

  // MARK: Errors

  /// Passes on the errors received for this flow's datagrams. Returns the MTU for a datagram that was refused with
  /// EMSGSIZE, if one was.
  @discardableResult
  func readErrors(_ index: UInt32) -> UInt32? {
    let flow = flows.pointer(index)
    follow(flow)
    return flow.pointee.socket.readErrors(inbox, stack.calls) { report in
      let guest = flow.pointee.guest
      guard let message = report.messageForGuest(isV4: guest.address.isV4) else { return }
      let remote = stack.seen(report.destination, by: guest.address)
      guard isExpected(remote, by: flow), !triesOtherLoopback(report, of: index, remote) else {
        return
      }
      counters.errors &+= 1
      stack.sendUDPError(
        about: report.payload, from: guest, to: remote, mac: flow.pointee.guestMAC,
        on: flow.pointee.key.link, reporter: stack.reporter(report, to: guest.address), message)
    }
  }
}

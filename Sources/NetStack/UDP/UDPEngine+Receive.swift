// SPDX-License-Identifier: Apache-2.0
//
// From the host's sockets to the guest: datagrams, and ICMP errors about datagrams.

import Wire

extension UDPEngine {
  /// Rounds of recvmmsg for one socket before others have theirs.
  private static let rounds = 4
  /// Bytes of a GSO frame: with its headers it is one IP packet to the guest until it is cut.
  private static let longestTrain = 65_000

  /// A socket is ready (FDEvents).
  func onEvent(_ token: EventToken, _ events: FDEvents) {
    guard flows.isTaken(token.index, generation: token.generation) else { return }
    guard !flows.pointer(token.index).pointee.isDeparted else { return close(token.index) }
    if events.contains(.error) { readErrors(token.index) }
    guard events.contains(.read) else { return }
    for _ in 0..<Self.rounds {
      let count = inbox.receive(flows.pointer(token.index).pointee.socket.fd, stack.calls)
      // The error of an earlier datagram, taken from the queue above; or nothing there.
      guard count > 0 else { return }
      deliver(to: token.index)
      // The inbox is used again.
      stack.transmitter.flush()
      if count < DatagramInbox.capacity { return }
    }
  }

  /// Hands what is in the inbox to the flow's guest.
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
        // Not before: a stranger must not keep a mapping alive (RFC 4787 REQ-6).
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

  /// How many datagrams from `first` on may go as one GSO frame, and their bytes: those of one
  /// sender that are alike, on a link that takes such frames. A guest's kernel then does the way
  /// through its device and its stack once for all of them.
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

  /// What the kernel says beside a datagram: the size of those in a UDP_GRO train (0 for a single
  /// one), and its traffic class.
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

  /// Whether the guest has spoken to this address from this flow (RFC 4787 REQ-8).
  private func isExpected(_ remote: Endpoint, by flow: UnsafeMutablePointer<UDPFlow>) -> Bool {
    var key = flow.pointee.key
    key.remote = remote.address
    key.remotePort = remote.port
    let peer = peerTable.find(key)
    if peer != 0, !self.flow(of: peer).pointee.isDeparted { return true }
    // Another port of an address that was spoken to: the latest few are looked at, so that
    // a stranger's flood is cheap.
    var at = flow.pointee.peerOrder.newest
    var looks = 0
    while at != 0, looks < 16 {
      if peers.pointer(at).pointee.key.remote == remote.address { return true }
      at = peers.pointer(at).pointee.older
      looks &+= 1
    }
    return false
  }

  /// A flow that asked a DNS server has an answer and need not wait long for more.
  private func noteAnswer(_ index: UInt32) {
    let flow = flows.pointer(index)
    flow.pointee.isAnswered = true
    stack.timers.reschedule(flow.pointee.timer, at: deadline(of: flow))
  }

  /// The guest may have another Ethernet address than when it last spoke.
  private func follow(_ flow: UnsafeMutablePointer<UDPFlow>) {
    flow.pointee.guestMAC = stack.currentMAC(
      flow.pointee.guestMAC, of: flow.pointee.key.guest, on: flow.pointee.key.link)
  }

  // MARK: Errors

  /// Passes on what the network said about this flow's datagrams.
  /// Returns the MTU that a datagram refused with EMSGSIZE would have to fit, if one was.
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

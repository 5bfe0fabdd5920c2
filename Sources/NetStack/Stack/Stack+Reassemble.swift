// SPDX-License-Identifier: Apache-2.0
//
// Reassembly of fragments from guests (RFC 791 §3.2, RFC 8200 §4.5): each guest has a Reassembler of its own, so that
// none can use up another's room. A reassembled datagram stays valid until the iteration ends, as the iteration's
// other packets do.

import Wire

extension Stack {
  func receiveFragment(_ ip: IPv4Packet, from mac: MACAddress, on link: UInt32) {
    guard let packet = reassemble(Fragment(ip, from: mac), on: link),
      let ip = IPv4Packet(checking: packet)
    else { return }
    dispatch(
      InboundPacket(
        link: link, sourceMAC: mac, source: ip.source, destination: ip.destination,
        proto: ip.protocolNumber, hopLimit: ip.timeToLive, payload: ip.payload,
        packet: ip.bytes, isChecksumTrusted: false, isReassembled: true))
  }

  /// A fragment of an IPv6 packet (RFC 8200 §4.5), parsed up to the fragment header.
  func receiveFragment(
    _ packet: InboundPacket, _ ip: IPv6Packet, _ layer: IPv6Layer, _ fragment: IPv6Fragment
  ) {
    let payload = ip.bytes.dropFirst(layer.fragmentOffset &+ IPv6ExtensionField.minimumLength)
    let counters = core.links.pointer(packet.link)
    if fragment.moreFragments, payload.count & 7 != 0 {
      counters.pointee.counters.malformed &+= 1
      core.sendICMPError(
        about: packet,
        .parameterProblem(
          code: ICMPv6ParameterProblem.field, pointer: UInt32(IPv6Field.payloadLength)))
      return
    }
    if fragment.offset &+ payload.count > IPv6Header.maxPayloadLength {
      counters.pointee.counters.malformed &+= 1
      core.sendICMPError(
        about: packet,
        .parameterProblem(
          code: ICMPv6ParameterProblem.field,
          pointer: UInt32(layer.fragmentOffset &+ IPv6ExtensionField.fragment)))
      return
    }
    let piece = Fragment(
      ip, fragment,
      protocolNumber: ip.bytes[layer.fragmentOffset &+ IPv6ExtensionField.nextHeader],
      payload: payload, from: packet.sourceMAC)
    guard let ipv6 = core.config.ipv6, let whole = reassemble(piece, on: packet.link),
      let ip = IPv6Packet(checking: whole)
    else { return }
    var packet = packet
    packet.packet = whole
    packet.isChecksumTrusted = false
    packet.isReassembled = true
    packet.segmentSize = 0
    packet.guess = 0
    switch ip.chain {
    case .layer(let layer):
      // A nested fragment header is never legitimate.
      guard layer.fragment == nil else {
        counters.pointee.counters.malformed &+= 1
        return
      }
      packet.proto = layer.protocolNumber
      packet.payload = whole.dropFirst(layer.offset)
      receiveWhole(packet, ipv6)
    case .refused(let refusal): refuse(packet, refusal, ipv6)
    }
  }

  /// Adds a fragment; returns the datagram if it is complete.
  private func reassemble(_ fragment: Fragment, on link: UInt32) -> ByteView? {
    let share = core.shares.of(link, fragment.sourceMAC)
    let own = core.shares.reassembly(share) { Reassembler(budget: fragmentBudget) }
    // The timer may be late by a slot of the wheel.
    own.reassembler.expire(now: core.now) { reportTimeout($0, of: share) }
    let outcome = own.reassembler.add(fragment, now: core.now)
    core.shares.pointer(share).pointee.fragmentBytes = own.reassembler.pending.bytes
    switch outcome {
    case .incomplete:
      armReassemblyTimer(own, of: share)
      return nil
    case .refused:
      core.links.pointer(link).pointee.counters.malformed &+= 1
      return nil
    case .complete(let packet):
      reassembledShares.append(share)
      return packet
    }
  }

  func onReassemblyTimer(_ token: EventToken) {
    let share = token.index
    guard core.shares.isTaken(share, generation: token.generation),
      let own = core.shares.reassembly(share)
    else { return }
    own.timer = 0
    own.reassembler.expire(now: core.now) { reportTimeout($0, of: share) }
    core.shares.pointer(share).pointee.fragmentBytes = own.reassembler.pending.bytes
    armReassemblyTimer(own, of: share)
  }

  /// Frees the datagrams reassembled in this iteration: nothing refers to them any more.
  @inline(__always)
  func releaseReassembled() {
    guard !reassembledShares.isEmpty else { return }
    for share in reassembledShares { core.shares.reassembly(share)?.reassembler.releaseDelivered() }
    reassembledShares.removeAll(keepingCapacity: true)
  }

  /// The link is gone: drops the incomplete datagrams of its guests.
  func endReassembly(on link: UInt32) {
    core.shares.forEach { share in
      guard core.shares.pointer(share).pointee.link == link,
        let own = core.shares.reassembly(share)
      else { return }
      core.timers.cancel(own.timer)
      own.timer = 0
    }
  }

  /// Stations are gone: drops the incomplete datagrams of their guests.
  func endReassembly(of stations: Set<MACAddress>, on link: UInt32) {
    for mac in stations {
      let share = core.shares.of(link, mac)
      // Share 0 is common to several guests.
      guard share != 0, let own = core.shares.reassembly(share) else { continue }
      core.timers.cancel(own.timer)
      core.shares.endReassembly(share)
    }
  }

  private func armReassemblyTimer(_ own: ShareTable.Reassembly, of share: UInt32) {
    guard own.timer == 0, let deadline = own.reassembler.nextDeadline else { return }
    let token = EventToken(.fragments, index: share, generation: core.shares.generation(share))
    own.timer = core.timers.schedule(at: deadline, token: token.rawValue)
  }

  private func reportTimeout(_ expired: Reassembler.Expired, of share: UInt32) {
    let link = core.shares.pointer(share).pointee.link
    guard core.links.isTaken(link) else { return }
    if let ip = IPv4Packet(checking: expired.firstFragment) {
      reportTimeout(
        of: expired.firstFragment, from: ip.source, to: ip.destination, at: expired.sourceMAC,
        on: link)
    } else {
      withUnsafeTemporaryAllocation(byteCount: IPv6Header.leastMTU, alignment: 8) { space in
        guard let base = space.baseAddress,
          let quoted = expired.quotedV6(in: MutableByteView(base, count: space.count)),
          let ip = IPv6Packet(checking: quoted)
        else { return }
        reportTimeout(
          of: quoted, from: ip.source, to: ip.destination, at: expired.sourceMAC, on: link)
      }
    }
  }

  private func reportTimeout(
    of quoted: ByteView, from guest: IPAddress, to destination: IPAddress, at mac: MACAddress,
    on link: UInt32
  ) {
    core.sendICMPError(
      quoting: quoted, to: guest, mac: core.currentMAC(mac, of: guest, on: link), on: link,
      from: core.config.isOwn(destination) ? destination : core.config.gateway(for: guest),
      DeliveryFailure.reassembly.message(isV4: guest.isV4))
  }
}

extension Reassembler.Expired {
  /// Writes the first fragment of an IPv6 packet with its fragment header, as much as fits.
  fileprivate func quotedV6(in out: MutableByteView) -> ByteView? {
    let headers = IPv6Header.encodedLength + IPv6ExtensionField.minimumLength
    guard firstFragment.count >= IPv6Header.encodedLength else { return nil }
    let payload = firstFragment.dropFirst(IPv6Header.encodedLength).prefix(out.count - headers)
    out.store(firstFragment.prefix(IPv6Header.encodedLength), at: 0)
    out.store(
      UInt16(truncatingIfNeeded: IPv6ExtensionField.minimumLength + payload.count),
      at: IPv6Field.payloadLength)
    out.store(IPProtocol.fragment, at: IPv6Field.nextHeader)
    IPv6Fragment(offset: 0, moreFragments: true, identification: identification).emit(
      nextHeader: firstFragment[IPv6Field.nextHeader],
      into: out.dropFirst(IPv6Header.encodedLength))
    out.store(payload, at: headers)
    return ByteView(out.base, count: headers + payload.count)
  }
}

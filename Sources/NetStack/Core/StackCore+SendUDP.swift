// SPDX-License-Identifier: Apache-2.0
//
// UDP datagrams to a guest (RFC 768, RFC 8200 §8.1; fragments RFC 791 §3.2, RFC 8200 §4.5). Payload is referenced and
// must stay valid until the transmitter is flushed.
//
// Don't Fragment is not set: a guest may route to links with a smaller MTU, and a socket does not report the original
// bit.

import Wire

extension StackCore {
  /// Bytes of the IP header of a packet to a guest.
  @inline(__always)
  private static func ipHeader(_ guest: Endpoint) -> Int {
    guest.address.isV4 ? IPv4Header.encodedLength : IPv6Header.encodedLength
  }

  /// Bytes of Ethernet, IP and UDP header.
  @inline(__always)
  private static func headers(_ guest: Endpoint) -> Int {
    EthernetHeader.encodedLength &+ ipHeader(guest) &+ UDPHeader.encodedLength
  }

  /// Sends a datagram, in fragments when it is longer than the link's MTU.
  /// False when the link has no room.
  @inline(__always)
  func sendUDP(
    _ payload: ByteView, from source: Endpoint, to guest: Endpoint, trafficClass: UInt8 = 0,
    mac: MACAddress, on link: UInt32
  ) -> Bool {
    let length = UDPHeader.encodedLength &+ payload.count
    guard Self.ipHeader(guest) &+ length <= Int(links.pointer(link).pointee.mtu) else {
      return sendUDPFragments(
        payload, from: source, to: guest, trafficClass: trafficClass, mac: mac, on: link)
    }
    return sendUDPFrame(
      payload, from: source, to: guest, trafficClass: trafficClass, mac: mac, on: link)
  }

  /// Sends `payload` as datagrams of `segment` bytes, the last one shorter.
  /// As one GSO frame where the link can carry it.
  func sendUDPTrain(
    _ payload: ByteView, segment: Int, from source: Endpoint, to guest: Endpoint,
    trafficClass: UInt8 = 0, mac: MACAddress, on link: UInt32
  ) -> Bool {
    if takesTrains(of: segment, to: guest, on: link),
      payload.count <= UDPHeader.maxPayloadLength &- Self.ipHeader(guest)
    {
      return sendUDPFrame(
        payload, segment: segment, from: source, to: guest, trafficClass: trafficClass, mac: mac,
        on: link)
    }
    var offset = 0
    while offset < payload.count {
      let length = min(segment, payload.count &- offset)
      guard
        sendUDP(
          payload.slice(at: offset, count: length), from: source, to: guest,
          trafficClass: trafficClass, mac: mac, on: link)
      else { return false }
      offset &+= length
    }
    return true
  }

  /// Whether datagrams of this size may be sent to a link as one GSO frame.
  @inline(__always)
  func takesTrains(of segment: Int, to guest: Endpoint, on link: UInt32) -> Bool {
    let state = links.pointer(link)
    // Guests accept no GSO frame with smaller segments: it would only multiply the work.
    return state.pointee.offloads.contains(.udp) && segment >= 32
      && Self.ipHeader(guest) &+ UDPHeader.encodedLength &+ segment <= Int(state.pointee.mtu)
  }

  /// Sends `count` datagrams of the inbox, from `first` on, as one GSO frame. All are of
  /// `segment` bytes, the last one perhaps fewer.
  func sendUDPTrain(
    _ inbox: DatagramInbox, from first: Int, count: Int, segment: Int, byteCount: Int,
    from source: Endpoint, to guest: Endpoint, trafficClass: UInt8, mac: MACAddress,
    on link: UInt32
  ) -> Bool {
    guard
      let frame = prepareUDP(
        payloadLength: byteCount, segment: segment, from: source, to: guest,
        trafficClass: trafficClass, mac: mac, on: link)
    else { return false }
    transmitter.commit(
      headerLength: Self.headers(guest), payloadLength: byteCount, frame: frame, pieces: count
    ) { FrameSlice(inbox.payload(first &+ $0)) }
    return true
  }

  /// One frame; the host or the guest's link completes its checksum.
  @inline(__always)
  private func sendUDPFrame(
    _ payload: ByteView, segment: Int = 0, from source: Endpoint, to guest: Endpoint,
    trafficClass: UInt8, mac: MACAddress, on link: UInt32
  ) -> Bool {
    guard
      let frame = prepareUDP(
        payloadLength: payload.count, segment: segment, from: source, to: guest,
        trafficClass: trafficClass, mac: mac, on: link)
    else { return false }
    transmitter.commit(
      headerLength: Self.headers(guest), payload: FrameSlice(payload), frame: frame,
      urgency: .datagram)
    return true
  }

  /// Writes the headers of a frame for `Transmitter.commit`; nil when the link has no room.
  /// - Parameter segment: payload bytes of each datagram in a GSO frame; 0 for a single one.
  @inline(__always)
  private func prepareUDP(
    payloadLength: Int, segment: Int, from source: Endpoint, to guest: Endpoint,
    trafficClass: UInt8, mac: MACAddress, on link: UInt32
  ) -> Frame? {
    let headers = Self.headers(guest)
    guard
      let room = transmitter.prepare(link: link, byteCount: headers, waits: segment == 0)
    else { return nil }
    let out = MutableByteView(room, count: headers)
    let ip = out.dropFirst(EthernetHeader.encodedLength)
    let length = UDPHeader.encodedLength &+ payloadLength
    if guest.address.isV4 {
      EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: EtherType.ipv4)
        .emit(into: out)
      IPv4Header(
        source: source.address, destination: guest.address, protocolNumber: IPProtocol.udp,
        payloadLength: length, identification: nextIdentification(), trafficClass: trafficClass
      ).emit(into: ip)
    } else {
      EthernetHeader(destination: mac, source: config.gatewayMAC, etherType: EtherType.ipv6)
        .emit(into: out)
      IPv6Header(
        source: source.address, destination: guest.address, nextHeader: IPProtocol.udp,
        payloadLength: length, trafficClass: trafficClass
      ).emit(into: ip)
    }
    let start = headers &- UDPHeader.encodedLength
    UDPHeader(
      sourcePort: source.port, destinationPort: guest.port, payloadLength: payloadLength
    ).emitPartialChecksum(
      into: out.dropFirst(start), source: source.address, destination: guest.address)
    var frame = Frame()
    frame.flags = .needsChecksum
    frame.checksumStart = UInt16(truncatingIfNeeded: start)
    frame.checksumOffset = UInt16(truncatingIfNeeded: UDPField.checksum)
    if segment > 0 {
      frame.gsoType = .udp
      frame.gsoSize = UInt16(truncatingIfNeeded: segment)
      frame.headerLength = UInt16(truncatingIfNeeded: headers)
    }
    return frame
  }

  /// The first fragment carries the UDP header with the checksum of the whole datagram.
  private func sendUDPFragments(
    _ payload: ByteView, from source: Endpoint, to guest: Endpoint, trafficClass: UInt8,
    mac: MACAddress, on link: UInt32
  ) -> Bool {
    guard
      payload.count
        <= (guest.address.isV4 ? IPv4Header.maxPayloadLength : IPv6Header.maxPayloadLength)
        - UDPHeader.encodedLength
    else { return false }
    var header: UInt64 = 0
    withUnsafeMutableBytes(of: &header) { bytes in
      guard let base = bytes.baseAddress else { return }
      UDPHeader(
        sourcePort: source.port, destinationPort: guest.port, payloadLength: payload.count
      ).emit(
        into: MutableByteView(base, count: 8), payload: payload, source: source.address,
        destination: guest.address)
    }
    return sendFragments(
      header, payload, protocolNumber: IPProtocol.udp, from: source.address, to: guest.address,
      trafficClass: trafficClass, mac: mac, on: link)
  }

  // MARK: What the guest sees

  /// The address under which a guest knows a host-side endpoint: the host's loopback, of either family, is the
  /// gateway.
  @inline(__always)
  func seen(_ endpoint: Endpoint, by guest: IPAddress) -> Endpoint {
    if endpoint.address.isLoopback {
      return Endpoint(config.gateway(for: guest), port: endpoint.port)
    }
    guard endpoint.address.isV4, !guest.isV4, let nat64 = config.ipv6?.nat64 else {
      return endpoint
    }
    return Endpoint(nat64.address(of: endpoint.address), port: endpoint.port)
  }

  /// The source address of an ICMP error that is passed on to a guest.
  func reporter(_ report: SocketErrorReport, to guest: IPAddress) -> IPAddress {
    guard let offender = report.offender, !report.isLocal, offender.isUnicast,
      !offender.isLoopback, !offender.isLinkLocal
    else { return config.gateway(for: guest) }
    // A router of IPv4 on the way behind NAT64 (RFC 7915 §4.5 has it so).
    let seen = seen(Endpoint(offender, port: 0), by: guest).address
    return seen.isV4 == guest.isV4 ? seen : config.gateway(for: guest)
  }

  /// An ICMP error about a guest's datagram, whose headers are rebuilt as the guest sent them.
  /// - Parameter payload: the known beginning of the datagram's payload.
  func sendUDPError(
    about payload: ByteView, from guest: Endpoint, to remote: Endpoint, mac: MACAddress,
    on link: UInt32, reporter: IPAddress, _ error: ICMPErrorMessage
  ) {
    sendQuotedError(
      about: payload, protocolNumber: IPProtocol.udp, from: guest.address, to: remote.address,
      mac: mac, on: link, reporter: reporter, error
    ) { out, quoted in
      UDPHeader(
        sourcePort: guest.port, destinationPort: remote.port, payloadLength: quoted.count
      ).emit(into: out, payload: quoted, source: guest.address, destination: remote.address)
    }
  }

  /// An ICMP error about a guest's packet, whose headers are rebuilt as the guest sent them.
  /// - Parameters:
  ///   - payload: the known beginning of what follows the eight bytes of transport header.
  ///   - emit: writes these eight bytes; gets their place, and the quoted part of the payload.
  func sendQuotedError(
    about payload: ByteView, protocolNumber: UInt8, from guest: IPAddress, to remote: IPAddress,
    mac: MACAddress, on link: UInt32, reporter: IPAddress, _ error: ICMPErrorMessage,
    _ emit: (MutableByteView, ByteView) -> Void
  ) {
    let transport = 8
    let most = guest.isV4 ? Self.mostQuotedV4 : Self.mostQuotedV6
    let start = guest.isV4 ? IPv4Header.encodedLength : IPv6Header.encodedLength
    let quoted = payload.prefix(most - start - transport)
    withUnsafeTemporaryAllocation(byteCount: most, alignment: 8) { space in
      guard let base = space.baseAddress else { return }
      let out = MutableByteView(base, count: space.count)
      let length = transport + quoted.count
      if guest.isV4 {
        IPv4Header(
          source: guest, destination: remote, protocolNumber: protocolNumber,
          payloadLength: length, dontFragment: protocolNumber == IPProtocol.udp, timeToLive: 1
        ).emit(into: out)
      } else {
        IPv6Header(
          source: guest, destination: remote, nextHeader: protocolNumber, payloadLength: length,
          hopLimit: 1
        ).emit(into: out)
      }
      emit(out.dropFirst(start), quoted)
      out.store(quoted, at: start + transport)
      sendICMPError(
        quoting: ByteView(base, count: start + length), to: guest, mac: mac, on: link,
        from: reporter, error)
    }
  }
}

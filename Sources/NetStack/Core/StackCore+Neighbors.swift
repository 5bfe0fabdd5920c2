// SPDX-License-Identifier: Apache-2.0
//
// The guests' Ethernet addresses, by ARP (RFC 826) and Neighbor Discovery (RFC 4861), and packets to guests that wait
// for address resolution.

import Wire

extension StackCore {
  /// Learns an address and sends the packets that waited for it. False, and counted, when the address is bound to
  /// another guest.
  @discardableResult
  package func noteNeighbor(_ address: IPAddress, at mac: MACAddress, on link: UInt32) -> Bool {
    let state = links.pointer(link)
    guard let neighbors = services(of: link)?.neighbors else { return false }
    if !address.isV4, let ndp, neighbors.find(address) != mac,
      !ndp.heard(address, from: mac, on: link)
    {
      state.pointee.counters.spoofed &+= 1
      return false
    }
    let moves = neighbors.moves
    let share = address.isV4 ? 0 : shares.of(link, mac)
    guard neighbors.learn(address, at: mac, of: share) else {
      state.pointee.counters.spoofed &+= 1
      return false
    }
    if neighbors.moves != moves { neighborRevision &+= 1 }
    state.pointee.spoke(address, at: mac)
    if neighbors.isAwaited { sendWaiting(neighbors, for: address, at: mac, on: link) }
    return true
  }

  /// Removes the entries of stations that are gone. Returns their addresses.
  func forgetNeighbors(_ stations: Set<MACAddress>, on link: UInt32) -> Set<IPAddress> {
    guard let neighbors = services(of: link)?.neighbors else { return [] }
    links.pointer(link).pointee.forget(stations)
    return neighbors.forget(stations)
  }

  /// Address resolution failed: removes the entry.
  package func forgetNeighbor(_ address: IPAddress, unless mac: MACAddress, on link: UInt32) {
    guard let neighbors = services(of: link)?.neighbors, let user = neighbors.find(address),
      user != mac
    else { return }
    neighbors.bind(address, to: nil)
    links.pointer(link).pointee.forget(address)
  }

  /// Binds an address to the station that has leased it; nil unbinds it.
  /// - Parameter isPresent: whether a frame of the station was received; otherwise the address is resolved before
  ///   packets are sent to it.
  package func bindNeighbor(
    _ address: IPAddress, to mac: MACAddress?, isPresent: Bool = true, on link: UInt32
  ) {
    guard links.isTaken(link), let neighbors = services(of: link)?.neighbors else { return }
    let moves = neighbors.moves
    neighbors.bind(address, to: mac, isPresent: isPresent)
    if neighbors.moves != moves { neighborRevision &+= 1 }
    // The station that used this address last may be another one.
    links.pointer(link).pointee.forget(address)
    if let mac, isPresent, neighbors.isAwaited {
      sendWaiting(neighbors, for: address, at: mac, on: link)
    }
  }

  private func sendWaiting(
    _ neighbors: NeighborTable, for address: IPAddress, at mac: MACAddress, on link: UInt32
  ) {
    for frame in neighbors.takeWaiting(for: address, now: now) {
      frame.withUnsafeBytes { bytes in
        guard let room = transmitter.prepare(link: link, byteCount: bytes.count, waits: true) else {
          return
        }
        UnsafeMutableRawBufferPointer(start: room, count: bytes.count).copyMemory(from: bytes)
        MutableByteView(room, count: bytes.count).store(mac, at: EthernetField.destination)
        transmitter.commit(headerLength: bytes.count, urgency: .control)
      }
    }
  }

  /// The Ethernet address of a guest, if known.
  package func neighbor(_ address: IPAddress, on link: UInt32) -> MACAddress? {
    links.pointer(link).pointee.lastMAC(of: address)
      ?? services(of: link)?.neighbors.find(address)
  }

  /// The current Ethernet address of a guest that was at `known`: it may have changed since.
  @inline(__always)
  func currentMAC(_ known: MACAddress, of guest: IPAddress, on link: UInt32) -> MACAddress {
    neighborRevision == 0 ? known : neighbor(guest, on: link) ?? known
  }

  /// Sends a complete frame, checksums included, to a guest whose Ethernet address may be unknown: the destination
  /// address is filled in at once or when ARP or a neighbor solicitation is answered within 3 s. For the first packet
  /// of a flow: the frame is copied.
  package func sendWhenResolved(_ frame: [UInt8], to address: IPAddress, on link: UInt32) {
    guard frame.count >= EthernetHeader.encodedLength, links.isTaken(link) else { return }
    if let mac = neighbor(address, on: link) {
      frame.withUnsafeBytes { bytes in
        guard let room = transmitter.prepare(link: link, byteCount: bytes.count, waits: true) else {
          return
        }
        UnsafeMutableRawBufferPointer(start: room, count: bytes.count).copyMemory(from: bytes)
        MutableByteView(room, count: bytes.count).store(mac, at: EthernetField.destination)
        transmitter.commit(headerLength: bytes.count, urgency: .control)
      }
      return
    }
    services(of: link)?.neighbors.wait(frame, for: address, now: now)
    askFor(address, on: link)
  }

  /// Asks all on a link who has an address.
  package func askFor(_ address: IPAddress, on link: UInt32) {
    guard address.isV4 else { return solicit(address, on: link) }
    let request = ARPHeader(
      operation: ARPHeader.request, senderMAC: config.gatewayMAC, senderIP: config.gateway,
      targetMAC: .zero, targetIP: address)
    sendARP(request, to: .broadcast, on: link)
  }

  func sendARP(_ header: ARPHeader, to destination: MACAddress, on link: UInt32) {
    let length = EthernetHeader.encodedLength + ARPHeader.encodedLength
    guard let room = transmitter.prepare(link: link, byteCount: length, waits: true) else { return }
    let out = MutableByteView(room, count: length)
    EthernetHeader(
      destination: destination, source: config.gatewayMAC, etherType: EtherType.arp
    ).emit(into: out)
    header.emit(into: out.dropFirst(EthernetHeader.encodedLength))
    transmitter.commit(headerLength: length, urgency: .control)
  }
}

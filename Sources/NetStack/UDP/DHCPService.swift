// SPDX-License-Identifier: Apache-2.0
//
// DHCP on every link: passes datagrams for port 67 to the link's DHCPServer and sends its replies. On an isolated
// network each link has a server of its own, so that every guest can have the same address. DHCPService+Probes.swift:
// discovers that wait for the probe of an address. Loop thread only; cold path.

import Platform
import Wire

/// The DHCP servers of a stack.
package final class DHCPService {
  package static let serverPort: UInt16 = 67

  let stack: StackCore
  private let configuration: DHCPServer.Configuration
  private let policy: DHCPPolicy
  var servers: [UInt32: DHCPServer] = [:]
  /// Called when bindings of a link changed, with the stations that had or have them.
  package var onChange: ((_ stations: Set<MACAddress>) -> Void)?
  package enum Admission: Equatable, Sendable {
    case yes
    case no
    /// After ending this expired lease, which is kept for its station.
    case instead(of: IPAddress)
  }

  /// Whether a station may have an address; the function argument returns a station's leases. Nil: no limit.
  package var admits: ((_ station: MACAddress, _ leases: (MACAddress) -> [DHCPLease]) -> Admission)?
  /// Whether a station is on the network: its lease does not end while it is. Nil: unknown.
  package var isPresent: ((MACAddress) -> Bool)?
  /// Whether two stations are behind one guest's port: a lease may move between them. Nil: unknown.
  package var isOneGuest: ((MACAddress, MACAddress) -> Bool)?
  /// Whether no other station on the network could use an address. Nil: unknown.
  package var isAlone: ((MACAddress) -> Bool)?
  /// A client's name in the network's DNS (DHCPServer.registeredName).
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?
  /// Search domains, where they change; called for each reply.
  package var searchDomains: (() -> [String])?

  // DHCPService+Probes.swift
  var probes = AddressProbes()
  var waiting: [MACAddress: WaitingDiscovery] = [:]
  var waitTimer: UInt32 = 0
  /// When an address last moved to another station of its guest. Bounded: leased addresses only.
  var changes: [IPAddress: UInt64] = [:]
  var aheadLimit = TokenBucket(burst: 4, interval: 250_000_000)
  /// A binding is being made for a guest that cannot wait.
  var isReserving = false
  private var exhaustionLog = TokenBucket(burst: 1, interval: 60_000_000_000)
  private var nameLog = TokenBucket(burst: 3, interval: 60_000_000_000)
  /// Discovers without a free address.
  package private(set) var exhausted: UInt64 = 0
  /// Parsed messages, and replies sent.
  package private(set) var received: UInt64 = 0
  package private(set) var sent: UInt64 = 0

  /// - Parameter policy: for every link's server.
  package init(stack: StackCore, configuration: DHCPServer.Configuration, policy: DHCPPolicy) {
    self.stack = stack
    self.configuration = configuration
    self.policy = policy
  }

  /// Removes a link's server from `servers`; the caller puts it back. A second reference would copy its table for each
  /// message. The server's callbacks (`user`, `proof`) do not use `servers`.
  private func takeServer(_ link: UInt32) -> DHCPServer {
    if let server = servers.removeValue(forKey: link) { return server }
    var own = configuration
    // The link's MTU, or the configured one where the host gives none.
    own.mtu = UInt16(clamping: stack.links.pointer(link).pointee.mtu)
    var server = DHCPServer(configuration: own, policy: policy)
    server.isPresent = isPresent
    server.isOneGuest = isOneGuest
    server.registeredName = registeredName
    server.user = { [unowned self] in user(of: $0, on: link) }
    if isAlone != nil {
      server.proof = { [unowned self] in proof(of: $0, for: $1, on: link) }
    }
    return server
  }

  /// The station known to use an address. A station that has left uses none, although a frame from it may arrive
  /// after the notification.
  private func user(of address: IPAddress, on link: UInt32) -> MACAddress? {
    guard let mac = stack.services(of: link)?.neighbors.find(address), isPresent?(mac) ?? true
    else { return nil }
    return mac
  }

  private func serves(_ destination: IPAddress) -> Bool {
    destination.isLimitedBroadcast || destination == configuration.serverAddress
      || destination == configuration.subnet.broadcast
  }

  /// Whether a complete packet is a client's message to this server.
  func isFor(_ ip: IPv4Packet) -> Bool {
    guard ip.protocolNumber == IPProtocol.udp, !ip.isFragment, serves(ip.destination),
      let datagram = UDPPacket(checking: ip.payload)
    else { return false }
    return datagram.destinationPort == Self.serverPort
  }

  /// Whether a datagram for port 67 is for this server.
  func isFor(_ packet: InboundPacket) -> Bool {
    serves(packet.destination)
  }

  /// A datagram for port 67. False when it is not for this server.
  func receive(_ packet: InboundPacket, _ payload: ByteView) -> Bool {
    guard isFor(packet) else { return false }
    received &+= 1
    handle(payload, from: packet.sourceMAC, on: packet.link)
    return true
  }

  func handle(_ payload: ByteView, from mac: MACAddress, on link: UInt32) {
    var server = takeServer(link)
    switch admits?(mac, server.remembered(of:)) ?? .yes {
    case .yes: break
    case .no:
      servers[link] = server
      return noteExhausted(mac, "its link has as many as one may have")
    case .instead(let address): server.yield(address, now: stack.elapsed)
    }
    if let searchDomains { server.configuration.searchDomains = searchDomains() }
    let before = server.exhausted
    let reply = server.handle(payload, receivedFrom: mac, now: stack.elapsed)
    let (isExhausted, changed) = (server.exhausted != before, server.takeChanges())
    let (hasUnusableName, awaitsProof) = (server.hasUnusableName, server.awaitsProof)
    servers[link] = server
    if isExhausted { noteExhausted(mac) }
    if hasUnusableName { noteName(mac) }
    if awaitsProof { wait(payload, from: mac, on: link) }
    // Before the reply is sent, so that the owner of the bindings has this one when the guest uses it.
    if !changed.isEmpty { onChange?(changed) }
    guard let reply else { return }
    let length = reply.frameLength
    guard let room = stack.transmitter.prepare(link: link, byteCount: length, waits: true) else {
      return
    }
    let written = reply.emitFrame(
      into: MutableByteView(room, count: length), sourceMAC: stack.config.gatewayMAC)
    guard written > 0 else { return }
    sent &+= 1
    stack.transmitter.commit(headerLength: written, urgency: .control)
  }

  private func noteExhausted(
    _ mac: MACAddress, _ reason: String = "all of the pool are leased or declined"
  ) {
    exhausted &+= 1
    guard exhaustionLog.take(now: stack.now) else { return }
    stack.host.log(
      .warning,
      "no address left for \(mac): \(reason) (\(Plural.text(Int(clamping: exhausted), "request")) unanswered so far)"
    )
  }

  private func noteName(_ mac: MACAddress) {
    guard nameLog.take(now: stack.now) else { return }
    stack.host.log(
      .warning,
      "\(mac) calls itself by what is no host name, which has letters, digits and hyphens: "
        + "it is known by the name of its link, if that has one")
  }

  /// Changes the bindings of a link's server by `body`, and reports a change.
  func update<Result>(
    _ link: UInt32, _ body: (inout DHCPServer) -> Result
  ) -> Result {
    var server = takeServer(link)
    let result = body(&server)
    let changed = server.takeChanges()
    servers[link] = server
    if !changed.isEmpty { onChange?(changed) }
    return result
  }

  /// Restores the bindings of an earlier server.
  package func restore(_ leases: [DHCPLease], port: PortID) {
    let link = stack.link(of: port)
    guard link != 0 else { return }
    update(link) { $0.restore(leases) }
  }

  /// All bindings of a port's link, including expired ones.
  package func remembered(port: PortID) -> [DHCPLease] {
    servers[stack.link(of: port)]?.remembered ?? []
  }

  /// The same of one station.
  package func remembered(of mac: MACAddress, port: PortID) -> [DHCPLease] {
    servers[stack.link(of: port)]?.remembered(of: mac) ?? []
  }

  /// A guest configured by the host is gone.
  package func cancelReservation(port: PortID, mac: MACAddress) {
    let link = stack.link(of: port)
    guard link != 0, servers[link] != nil else { return }
    let now = stack.elapsed
    update(link) { $0.cancelReservation(of: DHCPClient(mac: mac), now: now) }
  }

  /// Assigns an address to a guest that the host configures. Nil when no address is left, or there is no such link.
  package func reserve(port: PortID, mac: MACAddress, name: String) -> IPAddress? {
    let link = stack.link(of: port)
    guard link != 0 else { return nil }
    let now = stack.elapsed
    isReserving = true
    defer { isReserving = false }
    let address = update(link) {
      $0.reserve(for: DHCPClient(mac: mac), hostname: name, now: now)
    }
    if address == nil { noteExhausted(mac) }
    return address
  }

  /// The valid bindings of all links, with the name of the link's guest.
  package func leases() -> [(lease: DHCPLease, name: String)] {
    let now = stack.elapsed
    return servers.keys.sorted().flatMap { link in
      let name = stack.services(of: link)?.name ?? ""
      return (servers[link]?.leases(now: now) ?? []).map { ($0, name) }
    }
  }

  /// The link on which a client with a lease calls itself so, as DNS compares names; 0: none, or several.
  package func link(ofHost name: String) -> UInt32 {
    let now = stack.elapsed
    let label = name.lowercased()
    let found = servers.filter { _, server in
      server.leases(now: now).contains { $0.state == .bound && $0.hostname.lowercased() == label }
    }
    return found.count == 1 ? found.first?.key ?? 0 : 0
  }

  // MARK: Stations

  /// A station is on a link.
  package func stationUp(_ mac: MACAddress, port: PortID) {
    let link = stack.link(of: port)
    guard link != 0, servers[link] != nil else { return }
    update(link) { $0.stationUp(mac) }
  }

  /// Stations are gone.
  package func stationsDown(_ stations: [MACAddress], port: PortID) {
    for mac in stations { waiting[mac] = nil }
    let gone = Set(stations)
    probes.forget(gone)
    let link = stack.link(of: port)
    guard link != 0, servers[link] != nil else { return }
    update(link) { $0.stationsDown(gone) }
  }

  func linkDown(_ link: UInt32) {
    servers[link] = nil
    waiting = waiting.filter { $0.value.link != link }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The control side of IPv6 on every link: router advertisements, neighbor discovery for the addresses of gateway and
// DNS, which addresses guests have, and DHCPv6. Formats and decisions are elsewhere (Wire/NDP, RouterAdvertiser,
// GuestAddresses, DHCPv6Server); here are the messages that come in and go out, and the timer. On an isolated network
// each link is a network of its own. IPv6Control+Receive.swift: what guests say. Loop thread only; cold path.

import Wire

package final class IPv6Control: NDPService, DHCPv6Service {
  package struct Configuration: Sendable {
    /// The guests' network, /64.
    package var prefix: CIDR
    /// The addresses that the stack answers for, in `prefix`.
    package var gateway: IPAddress
    package var dns: IPAddress
    /// fe80::/64: what guests have as their router.
    package var linkLocal: IPAddress
    package var mac: MACAddress
    package var dhcp: DHCPv6Server.Configuration
    /// Whether guests may ever reach what lies beyond.
    package var leadsOutside = true
    package var nat64: NAT64?

    package init(_ ipv6: IPv6Config, mac: MACAddress, dhcp: DHCPv6Server.Configuration) {
      prefix = ipv6.prefix
      gateway = ipv6.gateway
      dns = ipv6.dns
      linkLocal = ipv6.linkLocal
      nat64 = ipv6.nat64
      self.mac = mac
      self.dhcp = dhcp
    }
  }

  /// What is kept of a link.
  struct LinkState {
    var addresses = GuestAddresses()
    var dhcp: DHCPv6Server
    /// What clients of DHCPv6 call themselves.
    var names: [MACAddress: String] = [:]
  }

  let stack: StackCore
  package let configuration: Configuration
  package var linkLocal: IPAddress { configuration.linkLocal }
  var states: [UInt32: LinkState] = [:]
  private var advertiser: RouterAdvertiser
  private var timer: UInt32 = 0
  private var timerDeadline: UInt64 = .max
  private var nextAdvertisement: UInt64 = .max
  private var route: IPv6RouteWatch?
  /// How often the host's way is looked at when the kernel tells of changes, and when it does not, nanoseconds.
  private static let longLook: UInt64 = 60_000_000_000
  private static let shortLook: UInt64 = 1_000_000_000
  private var lookDeadline: UInt64 = .max
  /// Answers to one station (RFC 4861 §6.2.6 in spirit), and new addresses of one guest.
  var answers = StationLimits<MACAddress>(burst: 8, interval: 200_000_000)
  var claims = StationLimits<UInt64>(burst: 64, interval: 50_000_000)

  /// Called when addresses or names of guests came or went, with their stations.
  package var onChange: ((_ stations: Set<MACAddress>) -> Void)?
  /// Whether a station is on the network. Nil: nobody knows.
  package var isPresent: ((MACAddress) -> Bool)?
  /// Whether two stations are one guest's. Nil: nobody knows.
  package var isOneGuest: ((MACAddress, MACAddress) -> Bool)?
  /// The guest that a station belongs to. Nil: the link has one.
  package var guest: ((MACAddress) -> UInt64)?
  /// A client's name in the network's DNS (DHCPv6Server.registeredName).
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?
  /// Search domains, where they change; asked for at each answer.
  package var searchDomains: (() -> [String])?

  /// Whether the host has a way to the world over IPv6: guests get a default router then, and only then.
  package private(set) var hasRoute = false

  package struct Counters: Sendable {
    package var solicitations: UInt64 = 0
    package var advertisements: UInt64 = 0
    package var neighborSolicitations: UInt64 = 0
    package var neighborAdvertisements: UInt64 = 0
    package var invalid: UInt64 = 0
    package var spoofed: UInt64 = 0
    package var dhcpReceived: UInt64 = 0
    package var dhcpSent: UInt64 = 0
  }
  package internal(set) var counters = Counters()

  package init(stack: StackCore, configuration: Configuration) {
    self.stack = stack
    self.configuration = configuration
    advertiser = RouterAdvertiser(
      prefix: configuration.prefix, mac: configuration.mac, nameServers: [configuration.dns])
    advertiser.nat64 = configuration.nat64
  }

  /// Whether guests have a default router now. NAT64 leads to IPv4, whatever the host has of IPv6.
  package var leadsOutside: Bool {
    (hasRoute || configuration.nat64 != nil) && configuration.leadsOutside
  }

  /// Whether the stack answers for an address.
  func isOwn(_ address: IPAddress) -> Bool {
    address == configuration.gateway || address == configuration.dns || address == linkLocal
  }

  // MARK: Links

  package func linkUp(_ link: UInt32) {
    states[link] = LinkState(dhcp: makeDHCP())
    advertise(on: link)
    advertiser.restart()
    scheduleAdvertisement()
  }

  package func linkDown(_ link: UInt32) { states[link] = nil }

  private func makeDHCP() -> DHCPv6Server {
    var server = DHCPv6Server(configuration: configuration.dhcp)
    server.registeredName = registeredName
    return server
  }

  /// Changes what is kept of a link by whatever `body` does, and tells who wants to know.
  func update<Result>(_ link: UInt32, _ body: (inout LinkState) -> Result) -> Result? {
    guard stack.links.isTaken(link) else { return nil }
    // Out of `states` meanwhile: with a second reference its tables would be copied for each message.
    var state = states.removeValue(forKey: link) ?? LinkState(dhcp: makeDHCP())
    let result = body(&state)
    let changed = state.addresses.takeChanges()
    // Who has no address has no name either: what is kept of names is as bounded as addresses are.
    for mac in changed where !state.addresses.has(mac) { state.names[mac] = nil }
    let next = state.addresses.nextDeadline
    states[link] = state
    arm(next)
    if !changed.isEmpty { onChange?(changed) }
    return result
  }

  // MARK: What others ask

  /// All that guests of a port's link have, link-local addresses, too.
  package func addresses(port: PortID) -> [GuestAddresses.Entry] {
    states[stack.link(of: port)]?.addresses.all ?? []
  }

  /// What a station has that is through, the oldest first.
  package func addresses(of mac: MACAddress, port: PortID) -> [GuestAddresses.Entry] {
    states[stack.link(of: port)]?.addresses.entries(of: mac).filter { !$0.isTentative } ?? []
  }

  /// Who had which address in the process before. Once, when the port has come up.
  package func restore(_ known: [(address: IPAddress, mac: MACAddress)], port: PortID) {
    let (link, now) = (stack.link(of: port), stack.now)
    guard link != 0, !known.isEmpty else { return }
    _ = update(link) { state in
      for (address, mac) in known where isGuests(address) {
        state.addresses.restore(address, to: mac, now: now)
      }
    }
  }

  /// The address by which a station is known.
  package func primary(of mac: MACAddress, port: PortID) -> IPAddress? {
    states[stack.link(of: port)]?.addresses.primary(of: mac)
  }

  /// What a client of DHCPv6 calls itself, or "".
  package func hostname(of mac: MACAddress, port: PortID) -> String {
    states[stack.link(of: port)]?.names[mac] ?? ""
  }

  /// Gives a guest that is configured by the host what DHCPv6 would give it. Nil when somebody else has it.
  package func reserve(port: PortID, mac: MACAddress) -> IPAddress? {
    let link = stack.link(of: port)
    guard link != 0 else { return nil }
    let (guest, now) = (self.guest?(mac) ?? 0, stack.now)
    return update(link) { state -> IPAddress? in
      let address = state.dhcp.address(of: mac)
      return state.addresses.assign(
        address, to: mac, origin: .configured, guest: guest, expiry: nil, now: now,
        mayReplace: { mayReplace($0, by: mac) }) ? address : nil
    } ?? nil
  }

  /// Stations are gone.
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {
    guard states[link] != nil else { return }
    _ = update(link) { state in
      state.addresses.forget(stations)
      for mac in stations { state.names[mac] = nil }
    }
  }

  /// Whether who has an address may lose it to another: gone, or the same guest.
  func mayReplace(_ owner: MACAddress, by mac: MACAddress) -> Bool {
    isOneGuest?(owner, mac) ?? false || !(isPresent?(owner) ?? true)
  }

  // MARK: Router advertisements

  /// The host found a way to the world, or lost it: all guests learn it now.
  package func setRoute(_ hasRoute: Bool) {
    guard hasRoute != self.hasRoute else { return }
    self.hasRoute = hasRoute
    advertiser.restart()
    advertiseToAll()
  }

  package func advertiseToAll() {
    for link in states.keys.sorted() { advertise(on: link) }
    scheduleAdvertisement()
  }

  private func scheduleAdvertisement() {
    nextAdvertisement = stack.now &+ advertiser.nextDelay(&stack.random)
    arm(nextAdvertisement)
  }

  /// - Parameters:
  ///   - destination: who asked; nil: all on the link.
  ///   - mac: who asked, where it has no address yet: the message for all goes to it alone (RFC 6085).
  func advertise(to destination: IPAddress? = nil, at mac: MACAddress? = nil, on link: UInt32) {
    guard stack.links.isTaken(link) else { return }
    let state = stack.links.pointer(link)
    let message = advertiser.message(
      mtu: Int(state.pointee.mtu), leadsOutside: leadsOutside,
      searchDomains: searchDomains?() ?? configuration.dhcp.searchDomains)
    let destination = destination ?? .allNodes
    counters.advertisements &+= 1
    send(message, from: linkLocal, to: destination, at: mac, on: link)
  }

  // MARK: The host's way

  /// Follows the host's connectivity from now on, and begins with what it is.
  package func follow(_ route: IPv6RouteWatch) {
    self.route = route
    hasRoute = route.start(stack.host, token: EventToken(.ndp, index: 0, generation: 0))
    lookDeadline = stack.now
    look()
  }

  /// A message of the kernel's may be lost, and where there is no kernel that tells, time has to.
  private func look() {
    guard let route else { return }
    if lookDeadline <= stack.now {
      setRoute(route.look())
      lookDeadline = stack.now &+ (route.isWatched ? Self.longLook : Self.shortLook)
    }
    arm(lookDeadline)
  }

  /// The host's routes, or addresses, changed.
  package func onEvent(_ token: EventToken) {
    guard let route else { return }
    setRoute(route.look())
  }

  /// Before the stack ends.
  package func close() {
    route?.stop(stack.host)
    route = nil
  }

  // MARK: Timer

  private func arm(_ deadline: UInt64) {
    guard deadline < timerDeadline else { return }
    if timer != 0 { stack.timers.cancel(timer) }
    timer = stack.timers.schedule(
      at: max(deadline, stack.now), token: EventToken(.ndp, index: 0, generation: 0).rawValue)
    timerDeadline = timer == 0 ? .max : deadline
  }

  package func onTimer(_ token: EventToken) {
    (timer, timerDeadline) = (0, .max)
    for link in states.keys.sorted() {
      guard let next = states[link]?.addresses.nextDeadline else { continue }
      guard next <= stack.now else {
        arm(next)
        continue
      }
      let asked = update(link) { $0.addresses.advance(now: stack.now) } ?? []
      for entry in asked { solicit(entry.address, at: entry.mac, on: link) }
    }
    if nextAdvertisement <= stack.now {
      advertiseToAll()
    } else {
      arm(nextAdvertisement)
    }
    look()
  }

  // MARK: Sending

  /// Asks a station for its address (RFC 4861 §7.3: a probe by unicast).
  private func solicit(_ address: IPAddress, at mac: MACAddress, on link: UInt32) {
    send(
      .solicitation(of: address, from: configuration.mac),
      from: address.isLinkLocal ? linkLocal : configuration.gateway, to: address, at: mac, on: link)
  }

  /// Sends a message of Neighbor Discovery. What the link has no room for is lost, as on any link.
  func send(
    _ message: NDPMessage, from source: IPAddress, to destination: IPAddress, at mac: MACAddress?,
    on link: UInt32
  ) {
    message.payload.withByteView {
      _ = stack.sendICMPv6(
        message.header, $0, from: source, to: destination, hopLimit: NDPEnvelope.hopLimit, mac: mac,
        on: link)
    }
  }

  /// A datagram of DHCPv6.
  func send(_ payload: [UInt8], to destination: Endpoint, at mac: MACAddress, on link: UInt32) {
    let datagram = [UInt8](capacity: UDPHeader.encodedLength + payload.count) { out in
      payload.withByteView { bytes in
        out.store(bytes, at: UDPHeader.encodedLength)
        let header = UDPHeader(
          sourcePort: DHCPv6Message.serverPort, destinationPort: destination.port,
          payloadLength: bytes.count)
        header.emit(
          into: out, payload: bytes, source: linkLocal, destination: destination.address)
      }
      return UDPHeader.encodedLength + payload.count
    }
    datagram.withByteView {
      _ = stack.sendIPv6(
        $0, nextHeader: IPProtocol.udp, from: linkLocal, to: destination.address, mac: mac, on: link
      )
    }
  }
}

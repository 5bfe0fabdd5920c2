// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 control plane of all links: router advertisements, neighbor discovery for the addresses of gateway and DNS, the
// guests' addresses, and DHCPv6. Formats and decisions are elsewhere (Wire/NDP, RouterAdvertiser, GuestAddresses,
// DHCPv6Server); this type sends, receives and keeps the timer. On an isolated network each link is a network of its own.
// IPv6Control+Receive.swift: messages from guests. Thread: loop only. Not on the packet path.

import Wire

package final class IPv6Control: NDPService, DHCPv6Service {
  package struct Configuration: Sendable {
    /// The guests' prefix, a /64.
    package var prefix: CIDR
    /// The stack's addresses in `prefix`.
    package var gateway: IPAddress
    package var dns: IPAddress
    /// In fe80::/64: the address of the guests' default router.
    package var linkLocal: IPAddress
    package var mac: MACAddress
    package var dhcp: DHCPv6Server.Configuration
    /// Whether guests may have a default router at all.
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

  /// State of a link.
  struct LinkState {
    var addresses = GuestAddresses()
    var dhcp: DHCPv6Server
    /// Host names of DHCPv6 clients.
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
  /// Interval of checks of the host's IPv6 route, nanoseconds: with notifications from the kernel, and without.
  private static let longLook: UInt64 = 60_000_000_000
  private static let shortLook: UInt64 = 1_000_000_000
  private var lookDeadline: UInt64 = .max
  /// Rate limits of answers to a station (compare RFC 4861 §6.2.6), and of new addresses of a guest.
  var answers = StationLimits<MACAddress>(burst: 8, interval: 200_000_000)
  var claims = StationLimits<UInt64>(burst: 64, interval: 50_000_000)

  /// Called with the stations whose addresses or names have changed.
  package var onChange: ((_ stations: Set<MACAddress>) -> Void)?
  /// Whether a station is present. Nil: unknown.
  package var isPresent: ((MACAddress) -> Bool)?
  /// Whether two stations belong to one guest. Nil: unknown.
  package var isOneGuest: ((MACAddress, MACAddress) -> Bool)?
  /// The guest that a station belongs to. Nil: the link has one guest.
  package var guest: ((MACAddress) -> UInt64)?
  /// A client's name in the network's DNS (DHCPv6Server.registeredName).
  package var registeredName: ((_ hostname: String, _ client: MACAddress) -> String?)?
  /// Search domains, if they may change; called for each answer.
  package var searchDomains: (() -> [String])?

  /// Whether the host has an IPv6 route to the Internet; without one guests get no default router.
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

  /// Whether guests have a default router now. With NAT64 they always may, since it needs no IPv6 of the host.
  package var leadsOutside: Bool {
    (hasRoute || configuration.nat64 != nil) && configuration.leadsOutside
  }

  /// Whether the address is one of the stack's.
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

  /// Changes a link's state by `body` and notifies `onChange`.
  func update<Result>(_ link: UInt32, _ body: (inout LinkState) -> Result) -> Result? {
    guard stack.links.isTaken(link) else { return nil }
    // Removed from `states` meanwhile: with a second reference its tables would be copied on each message.
    var state = states.removeValue(forKey: link) ?? LinkState(dhcp: makeDHCP())
    let result = body(&state)
    let changed = state.addresses.takeChanges()
    // Names are kept only for stations with an address, which bounds them.
    for mac in changed where !state.addresses.has(mac) { state.names[mac] = nil }
    let next = state.addresses.nextDeadline
    states[link] = state
    arm(next)
    if !changed.isEmpty { onChange?(changed) }
    return result
  }

  // MARK: What others ask

  /// All addresses of guests on a port's link, including link-local ones.
  package func addresses(port: PortID) -> [GuestAddresses.Entry] {
    states[stack.link(of: port)]?.addresses.all ?? []
  }

  /// A station's assigned addresses, the oldest first.
  package func addresses(of mac: MACAddress, port: PortID) -> [GuestAddresses.Entry] {
    states[stack.link(of: port)]?.addresses.entries(of: mac).filter { !$0.isTentative } ?? []
  }

  /// Restores the addresses known to a previous process. Called once, when the port has come up.
  package func restore(_ known: [(address: IPAddress, mac: MACAddress)], port: PortID) {
    let (link, now) = (stack.link(of: port), stack.now)
    guard link != 0, !known.isEmpty else { return }
    _ = update(link) { state in
      for (address, mac) in known where isGuests(address) {
        state.addresses.restore(address, to: mac, now: now)
      }
    }
  }

  /// A station's primary address.
  package func primary(of mac: MACAddress, port: PortID) -> IPAddress? {
    states[stack.link(of: port)]?.addresses.primary(of: mac)
  }

  /// The host name that a station has sent by DHCPv6, or "".
  package func hostname(of mac: MACAddress, port: PortID) -> String {
    states[stack.link(of: port)]?.names[mac] ?? ""
  }

  /// Reserves the address that DHCPv6 would lease to a guest, for one that is configured by the host. Nil if another
  /// station has it.
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

  /// Stations were removed.
  package func stationsDown(_ stations: Set<MACAddress>, on link: UInt32) {
    guard states[link] != nil else { return }
    _ = update(link) { state in
      state.addresses.forget(stations)
      for mac in stations { state.names[mac] = nil }
    }
  }

  /// Whether the owner of an address may lose it to another station: it is gone, or both belong to one guest.
  func mayReplace(_ owner: MACAddress, by mac: MACAddress) -> Bool {
    isOneGuest?(owner, mac) ?? false || !(isPresent?(owner) ?? true)
  }

  // MARK: Router advertisements

  /// The host's IPv6 route appeared or disappeared: advertises the change to all guests.
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

  /// Sends a router advertisement.
  /// - Parameters:
  ///   - destination: the sender of a solicitation; nil: all nodes.
  ///   - mac: the Ethernet address of a sender without an IP address: the multicast packet is sent to it alone (RFC 6085).
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

  /// Follows the host's IPv6 route from now on, starting with its present state.
  package func follow(_ route: IPv6RouteWatch) {
    self.route = route
    hasRoute = route.start(stack.host, token: EventToken(.ndp, index: 0, generation: 0))
    lookDeadline = stack.now
    look()
  }

  /// Checks the route periodically: notifications may be lost, or not exist on this system.
  private func look() {
    guard let route else { return }
    if lookDeadline <= stack.now {
      setRoute(route.look())
      lookDeadline = stack.now &+ (route.isWatched ? Self.longLook : Self.shortLook)
    }
    arm(lookDeadline)
  }

  /// The host's routes or addresses have changed.
  package func onEvent(_ token: EventToken) {
    guard let route else { return }
    setRoute(route.look())
  }

  /// Ends the watch, before the stack ends.
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

  /// Sends a unicast probe for an address (RFC 4861 §7.3).
  private func solicit(_ address: IPAddress, at mac: MACAddress, on link: UInt32) {
    send(
      .solicitation(of: address, from: configuration.mac),
      from: address.isLinkLocal ? linkLocal : configuration.gateway, to: address, at: mac, on: link)
  }

  /// Sends a Neighbor Discovery message. It is dropped if the link is full.
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

  /// Sends a DHCPv6 datagram.
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

// SPDX-License-Identifier: Apache-2.0
//
// How the DHCP server chooses addresses and keeps its bindings (RFC 2131 §4.2, §4.3.1).

import Wire

extension DHCPServer {
  /// The bindings that hold at this time, by address.
  package func leases(now: UInt64) -> [DHCPLease] { table.leases.filter { $0.isLive(now) } }

  /// Gives a guest that is configured by hand what DHCP would give it, and keeps it until
  /// `cancelReservation`. Nil if there is no address left.
  package mutating func reserve(
    for client: DHCPClient, hostname: String = "", now: UInt64
  ) -> IPAddress? {
    guard let address = address(for: client, requested: nil, now: now) else { return nil }
    table[address] = DHCPLease(
      address: address, client: client, hostname: DHCPServer.hostname(Array(hostname.utf8)),
      state: .reserved, expiry: nil)
    return address
  }

  /// The guest is gone. Its address stays remembered for it.
  package mutating func cancelReservation(of client: DHCPClient, now: UInt64) {
    guard var lease = table.lease(of: client), lease.state == .reserved else { return }
    lease.state = .released
    lease.expiry = now
    table[lease.address] = lease
  }

  /// All bindings, also those that are over and only remembered: what to keep over a restart.
  package var remembered: [DHCPLease] { table.leases }

  /// The same of one station.
  package func remembered(of mac: MACAddress) -> [DHCPLease] { table.leases(of: mac) }

  /// Stations whose bindings changed since the last call.
  mutating func takeChanges() -> Set<MACAddress> { table.takeChanges() }

  /// Takes up bindings of a server before this one. What cannot be given here, or is somebody
  /// else's already, is left out.
  package mutating func restore(_ leases: [DHCPLease]) {
    guard case .pool(let pool) = policy else { return }
    for lease in leases where table.leases.count < DHCPPool.maximumSize {
      let isOurs =
        pool.reservations[lease.client.mac].map { $0 == lease.address }
        ?? pool.isRestorable(lease.address)
      guard isOurs, table[lease.address] == nil, table.lease(of: lease.client) == nil else {
        continue
      }
      table[lease.address] = lease
    }
  }

  // MARK: - Stations

  /// A station was seen: what it had is its own again, if nobody got it meanwhile.
  package mutating func stationUp(_ mac: MACAddress) { setPresent([mac], true) }

  /// Stations are gone.
  package mutating func stationsDown(_ stations: Set<MACAddress>) {
    setPresent(stations, false)
    // Nobody is going to ask for what they were offered.
    for lease in stations.flatMap(table.leases(of:)) where lease.state == .offered {
      table[lease.address]?.expiry = 0
    }
  }

  private mutating func setPresent(_ stations: Set<MACAddress>, _ isPresent: Bool) {
    for lease in stations.flatMap(table.leases(of:)) where lease.isPresent != isPresent {
      table[lease.address]?.isPresent = isPresent
    }
  }

  /// Ends a lease that is over and only kept.
  package mutating func yield(_ address: IPAddress, now: UInt64) {
    guard let lease = table[address], lease.isHeld(now) else { return }
    table[address]?.isPresent = false
  }

  /// A station answered for an address that was in doubt: if it is its own, it keeps it.
  mutating func keep(_ address: IPAddress, now: UInt64) {
    guard let lease = table[address], lease.isHeld(now), user(address) == lease.client.mac else {
      return
    }
    let seconds = min(UInt64(configuration.leaseSeconds), 1 << 30)
    table[address]?.expiry = DHCPServer.later(now, seconds: seconds / 2)
  }

  // MARK: - Choosing

  /// The address to offer, in the order of RFC 2131 §4.3.1: the client's own, now or
  /// formerly; the one it asks for; any.
  /// - Parameter used: addresses that were found to be somebody's.
  func address(
    for client: DHCPClient, requested: IPAddress?, now: UInt64, excluding used: Set<IPAddress> = []
  ) -> IPAddress? {
    guard case .pool(let pool) = policy else { return recordedAddress(of: client) }
    if let recorded = recordedAddress(of: client), !used.contains(recorded) {
      if mayHave(recorded, client, now: now) { return recorded }
      // A reserved address that somebody sits on: no other will do.
      if pool.reservations[client.mac] == recorded { return nil }
    }
    if let requested, !used.contains(requested), mayHave(requested, client, now: now) {
      return requested
    }
    let free = pool.freeAddress(in: table, now: now, knowsStations: isPresent != nil) {
      used.contains($0) || isTaken($0, from: client, now: now)
    }
    guard free == nil, proof != nil else { return free }
    return pool.doubtfulAddress(in: table, now: now) { used.contains($0) }
  }

  /// Whether somebody else uses an address that the client has no lease for yet. What the
  /// configuration keeps for the client is its own all the same.
  func isTaken(_ address: IPAddress, from client: DHCPClient, now: UInt64) -> Bool {
    guard case .pool(let pool) = policy, let user = user(address), user != client.mac,
      pool.reservations[client.mac] != address
    else { return false }
    if let lease = table[address], lease.state == .bound || lease.state == .reserved,
      lease.isLive(now), DHCPServer.isSame(lease.client, client)
    {
      return false
    }
    return true
  }

  /// What this client has, had or is meant to have.
  func recordedAddress(of client: DHCPClient) -> IPAddress? {
    switch policy {
    case .single(let address): address
    case .pool(let pool): pool.reservations[client.mac] ?? table.lease(of: client)?.address
    }
  }

  /// Whether the address is one of ours to give, and nobody else's.
  func mayHave(_ address: IPAddress, _ client: DHCPClient, now: UInt64) -> Bool {
    switch policy {
    case .single(let single):
      return address == single
    case .pool(let pool):
      if let reserved = pool.reservations[client.mac] {
        guard address == reserved else { return false }
      } else {
        guard
          pool.isDynamic(address)
            || (pool.retired.contains(address) && recordedAddress(of: client) == address)
        else { return false }
      }
      guard let lease = table[address], lease.isLive(now) else {
        return !isTaken(address, from: client, now: now)
      }
      return lease.state != .declined && DHCPServer.isSame(lease.client, client)
    }
  }

  /// Two that name themselves are compared by name, others by hardware address.
  static func isSame(_ a: DHCPClient, _ b: DHCPClient) -> Bool {
    a.identifier.isEmpty || b.identifier.isEmpty ? a.mac == b.mac : a.identifier == b.identifier
  }

  // MARK: - Keeping

  /// Holds the address for the client until it has had time to ask for it. What it has
  /// already stays as it is.
  mutating func offer(_ address: IPAddress, to request: Request, now: UInt64) {
    if let lease = table[address], lease.isLive(now),
      lease.state == .bound || lease.state == .reserved,
      DHCPServer.isSame(lease.client, request.client)
    {
      return
    }
    forgetOtherBindings(of: request.client, than: address)
    table[address] = DHCPLease(
      address: address, client: request.client, hostname: request.hostname, state: .offered,
      expiry: DHCPServer.later(now, seconds: DHCPServer.offerSeconds))
  }

  mutating func withdrawOffer(to client: DHCPClient) {
    guard let lease = table.lease(of: client), lease.state == .offered else { return }
    table[lease.address] = nil
  }

  mutating func bind(_ address: IPAddress, to request: Request, now: UInt64) {
    forgetOtherBindings(of: request.client, than: address)
    let known = table[address]
    let isSame = known.map { DHCPServer.isSame($0.client, request.client) } ?? false
    let isReserved = isSame && known?.state == .reserved
    let seconds = leaseSeconds(for: request)
    let isForever = isReserved || seconds == .max
    var hostname = request.hostname
    if hostname.isEmpty, isSame { hostname = known?.hostname ?? "" }
    table[address] = DHCPLease(
      address: address, client: request.client, hostname: hostname,
      state: isReserved ? .reserved : .bound,
      expiry: isForever ? nil : DHCPServer.later(now, seconds: UInt64(seconds)),
      isPresent: isPresent?(request.client.mac) ?? false)
  }

  /// A client has one address: it cannot collect them by asking for one after the other.
  mutating func forgetOtherBindings(of client: DHCPClient, than address: IPAddress) {
    guard let lease = table.lease(of: client), lease.address != address,
      lease.state != .reserved
    else { return }
    table[lease.address] = nil
  }

  /// What the client asks for, within bounds.
  func leaseSeconds(for request: Request) -> UInt32 {
    let longest = configuration.leaseSeconds
    guard let asked = request.message.options.uint32(DHCPOptionCode.leaseTime) else {
      return longest
    }
    return min(longest, max(asked, DHCPServer.minimumLeaseSeconds))
  }

  static func later(_ now: UInt64, seconds: UInt64) -> UInt64 {
    now &+ seconds &* 1_000_000_000
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// How the DHCP server chooses addresses and stores its bindings (RFC 2131 §4.2, §4.3.1).

import Wire

extension DHCPServer {
  /// The bindings valid at this time, by address.
  package func leases(now: UInt64) -> [DHCPLease] { table.leases.filter { $0.isLive(now) } }

  /// Assigns an address to a guest that the host configures, until `cancelReservation`. Nil if no address is left.
  package mutating func reserve(
    for client: DHCPClient, hostname: String = "", now: UInt64
  ) -> IPAddress? {
    guard let address = address(for: client, requested: nil, now: now) else { return nil }
    table[address] = DHCPLease(
      address: address, client: client, hostname: DHCPServer.hostname(Array(hostname.utf8)),
      state: .reserved, expiry: nil)
    return address
  }

  /// The guest is gone. Its address stays recorded for it.
  package mutating func cancelReservation(of client: DHCPClient, now: UInt64) {
    guard var lease = table.lease(of: client), lease.state == .reserved else { return }
    lease.state = .released
    lease.expiry = now
    table[lease.address] = lease
  }

  /// All bindings, including expired ones: to be stored over a restart.
  package var remembered: [DHCPLease] { table.leases }

  /// The same of one station.
  package func remembered(of mac: MACAddress) -> [DHCPLease] { table.leases(of: mac) }

  /// Stations whose bindings changed since the last call.
  mutating func takeChanges() -> Set<MACAddress> { table.takeChanges() }

  /// Restores the bindings of an earlier server. Addresses that cannot be assigned here, or are another client's
  /// already, are left out.
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

  /// A station is on the network: its recorded address is its own again, unless another client got it meanwhile.
  package mutating func stationUp(_ mac: MACAddress) { setPresent([mac], true) }

  /// Stations are gone.
  package mutating func stationsDown(_ stations: Set<MACAddress>) {
    setPresent(stations, false)
    // Their offers will not be requested.
    for lease in stations.flatMap(table.leases(of:)) where lease.state == .offered {
      table[lease.address]?.expiry = 0
    }
  }

  private mutating func setPresent(_ stations: Set<MACAddress>, _ isPresent: Bool) {
    for lease in stations.flatMap(table.leases(of:)) where lease.isPresent != isPresent {
      table[lease.address]?.isPresent = isPresent
    }
  }

  /// Ends an expired lease that is kept for its station.
  package mutating func yield(_ address: IPAddress, now: UInt64) {
    guard let lease = table[address], lease.isHeld(now) else { return }
    table[address]?.isPresent = false
  }

  /// A station answered for a doubtful address: if the lease is its own, it keeps it.
  mutating func keep(_ address: IPAddress, now: UInt64) {
    guard let lease = table[address], lease.isHeld(now), user(address) == lease.client.mac else {
      return
    }
    let seconds = min(UInt64(configuration.leaseSeconds), 1 << 30)
    table[address]?.expiry = DHCPServer.later(now, seconds: seconds / 2)
  }

  // MARK: - Choosing

  /// The address to offer, in the order of RFC 2131 §4.3.1: the client's current or former one; the requested one;
  /// any other.
  /// - Parameter used: addresses found to be in use.
  func address(
    for client: DHCPClient, requested: IPAddress?, now: UInt64, excluding used: Set<IPAddress> = []
  ) -> IPAddress? {
    guard case .pool(let pool) = policy else { return recordedAddress(of: client) }
    if let recorded = recordedAddress(of: client), !used.contains(recorded) {
      if mayHave(recorded, client, now: now) { return recorded }
      // A reserved address that another station uses: no other is offered.
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

  /// Whether another station uses an address for which the client has no lease yet. Always false for the client's
  /// reservation.
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

  /// The client's current, former or reserved address.
  func recordedAddress(of client: DHCPClient) -> IPAddress? {
    switch policy {
    case .single(let address): address
    case .pool(let pool): pool.reservations[client.mac] ?? table.lease(of: client)?.address
    }
  }

  /// Whether the server may assign the address to this client.
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

  /// Clients with identifiers are compared by identifier, others by hardware address.
  static func isSame(_ a: DHCPClient, _ b: DHCPClient) -> Bool {
    a.identifier.isEmpty || b.identifier.isEmpty ? a.mac == b.mac : a.identifier == b.identifier
  }

  // MARK: - Keeping

  /// Reserves the address for the client until it can request it. An existing binding of the client's is not changed.
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

  /// A client has one address: it cannot accumulate them by requesting one after the other.
  mutating func forgetOtherBindings(of client: DHCPClient, than address: IPAddress) {
    guard let lease = table.lease(of: client), lease.address != address,
      lease.state != .reserved
    else { return }
    table[lease.address] = nil
  }

  /// The requested lease time, within bounds.
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

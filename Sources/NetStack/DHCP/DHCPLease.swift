// SPDX-License-Identifier: Apache-2.0
//
// Who has which address: the server's bindings (RFC 2131 §2.1), at most one for
// each address of the pool, so that no guest can make the table grow.

import Wire

/// What identifies a client (RFC 2131 §4.2): its client identifier (option 61) if it
/// sends one, otherwise its hardware address.
package struct DHCPClient: Hashable, Sendable {
  package var mac: MACAddress
  /// Empty if there is none.
  package var identifier: [UInt8]

  package init(mac: MACAddress, identifier: [UInt8] = []) {
    self.mac = mac
    self.identifier = identifier
  }
}

/// The binding of an address to a client.
package struct DHCPLease: Hashable, Sendable {
  package enum State: String, Sendable {
    /// Held for a client until its request comes.
    case offered
    case bound
    /// Given for good to a guest that is configured by hand or by reservation.
    case reserved = "static"
    /// A client found somebody else using the address.
    case declined
    /// Given back; kept so that the client gets the same address again.
    case released
  }

  package var address: IPAddress
  package var client: DHCPClient
  /// What the client calls itself: letters, digits, `-`, `.` and `_` only; may be empty.
  package var hostname: String
  package var state: State
  /// In the clock of `now`, nanoseconds; nil for never.
  package var expiry: UInt64?
  /// Its station is on the network and was seen there: a guest that never renews keeps what it has.
  package var isPresent: Bool

  package init(
    address: IPAddress, client: DHCPClient, hostname: String, state: State, expiry: UInt64?,
    isPresent: Bool = false
  ) {
    self.address = address
    self.isPresent = isPresent
    self.client = client
    self.hostname = hostname
    self.state = state
    self.expiry = expiry
  }

  /// Whether the address is this client's, or kept from all, at this time.
  package func isLive(_ now: UInt64) -> Bool {
    isInTime(now) || (isPresent && state == .bound)
  }

  /// The same as far as the client was told.
  package func isInTime(_ now: UInt64) -> Bool {
    guard state != .released else { return false }
    guard let expiry else { return true }
    return now < expiry
  }

  /// Over, but kept because its station is there.
  package func isHeld(_ now: UInt64) -> Bool { isLive(now) && !isInTime(now) }
}

/// The bindings, sorted by address. Who asks for a client's finds it without a look at the others'.
struct DHCPLeaseTable {
  private(set) var leases: [DHCPLease] = []
  /// Addresses of each station, and of each client identifier, ascending.
  private var stations: [MACAddress: [IPAddress]] = [:]
  private var identifiers: [[UInt8]: [IPAddress]] = [:]
  /// Stations that got, lost or changed a binding since `takeChanges`.
  private var changed: Set<MACAddress> = []

  /// The position of `address`, or where it belongs.
  private func position(_ address: IPAddress) -> Int {
    var (low, high) = (0, leases.count)
    while low < high {
      let middle = (low + high) / 2
      if leases[middle].address < address { low = middle + 1 } else { high = middle }
    }
    return low
  }

  subscript(address: IPAddress) -> DHCPLease? {
    get {
      let index = position(address)
      return index < leases.count && leases[index].address == address ? leases[index] : nil
    }
    set {
      let index = position(address)
      let known = index < leases.count && leases[index].address == address ? leases[index] : nil
      guard known != newValue else { return }
      switch (known, newValue) {
      case (_?, let lease?): leases[index] = lease
      case (_?, nil): leases.remove(at: index)
      case (nil, let lease?): leases.insert(lease, at: index)
      case (nil, nil): break
      }
      for lease in [known, newValue].compactMap({ $0 }) { changed.insert(lease.client.mac) }
      guard known?.client != newValue?.client else { return }
      if let known { unlist(known) }
      if let newValue { list(newValue) }
    }
  }

  private mutating func list(_ lease: DHCPLease) {
    Self.insert(lease.address, into: &stations[lease.client.mac, default: []])
    guard !lease.client.identifier.isEmpty else { return }
    Self.insert(lease.address, into: &identifiers[lease.client.identifier, default: []])
  }

  private mutating func unlist(_ lease: DHCPLease) {
    let client = lease.client
    stations[client.mac]?.removeAll { $0 == lease.address }
    if stations[client.mac]?.isEmpty == true { stations[client.mac] = nil }
    guard !client.identifier.isEmpty else { return }
    identifiers[client.identifier]?.removeAll { $0 == lease.address }
    if identifiers[client.identifier]?.isEmpty == true { identifiers[client.identifier] = nil }
  }

  private static func insert(_ address: IPAddress, into list: inout [IPAddress]) {
    list.insert(address, at: list.firstIndex { $0 > address } ?? list.count)
  }

  /// Stations whose bindings are not what they were at the last call.
  mutating func takeChanges() -> Set<MACAddress> {
    defer { changed = [] }
    return changed
  }

  /// All bindings of a station, by address, whatever it called itself.
  func leases(of mac: MACAddress) -> [DHCPLease] {
    (stations[mac] ?? []).compactMap { self[$0] }
  }

  /// The client's binding, live or remembered. A client that doesn't say its identifier
  /// every time (a boot loader, then the system it loads) is known by its MAC.
  func lease(of client: DHCPClient) -> DHCPLease? {
    let known = leases(of: client.mac).filter { $0.state != .declined }
    if !client.identifier.isEmpty {
      let exact = (identifiers[client.identifier] ?? []).lazy.compactMap { self[$0] }
        .first { $0.state != .declined }
      return exact ?? known.first { $0.client.identifier.isEmpty }
    }
    return known.first { $0.client.identifier.isEmpty } ?? known.first
  }
}

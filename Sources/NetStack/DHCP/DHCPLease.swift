// SPDX-License-Identifier: Apache-2.0
//
// The server's bindings (RFC 2131 §2.1): at most one per address of the pool, so that guests cannot make the table
// grow.

import Wire

/// Identifies a client (RFC 2131 §4.2): by its client identifier (option 61) if it sends one, else by its hardware
/// address.
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
    /// Reserved for a client until it sends its request.
    case offered
    case bound
    /// Assigned without expiry to a guest that the host configures, or by reservation.
    case reserved = "static"
    /// A client has found the address in use by another station.
    case declined
    /// Released; kept so that the client gets the same address again.
    case released
  }

  package var address: IPAddress
  package var client: DHCPClient
  /// The client's host name: letters, digits, `-`, `.` and `_` only; may be empty.
  package var hostname: String
  package var state: State
  /// By the clock of `now`, nanoseconds; nil: never.
  package var expiry: UInt64?
  /// The client's station is on the network: its address is not given to others, even if it never renews.
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

  /// Whether the address is unavailable to other clients at this time.
  package func isLive(_ now: UInt64) -> Bool {
    isInTime(now) || (isPresent && state == .bound)
  }

  /// Whether the lease, as granted to the client, is still valid.
  package func isInTime(_ now: UInt64) -> Bool {
    guard state != .released else { return false }
    guard let expiry else { return true }
    return now < expiry
  }

  /// Expired, but kept because its station is on the network.
  package func isHeld(_ now: UInt64) -> Bool { isLive(now) && !isInTime(now) }
}

/// The bindings, sorted by address. A look-up by client does not search those of others.
struct DHCPLeaseTable {
  private(set) var leases: [DHCPLease] = []
  /// Addresses of each station, and of each client identifier, ascending.
  private var stations: [MACAddress: [IPAddress]] = [:]
  private var identifiers: [[UInt8]: [IPAddress]] = [:]
  /// Stations with an added, removed or changed binding since `takeChanges`.
  private var changed: Set<MACAddress> = []

  /// The index of `address`, or where it would be inserted.
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

  /// Stations whose bindings have changed since the last call.
  mutating func takeChanges() -> Set<MACAddress> {
    defer { changed = [] }
    return changed
  }

  /// All bindings of a station, by address, with any client identifier.
  func leases(of mac: MACAddress) -> [DHCPLease] {
    (stations[mac] ?? []).compactMap { self[$0] }
  }

  /// The client's binding, live or expired. A client that does not always send its identifier (a boot loader, then
  /// the system it loads) is matched by its MAC address.
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

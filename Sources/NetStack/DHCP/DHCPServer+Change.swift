// SPDX-License-Identifier: Apache-2.0
//
// A guest that changes its Ethernet address and keeps its lease. Clients that are identified by their Ethernet
// address become new clients then; but both stations are behind one guest's port. There may be several stations (a
// bridge in the guest): none gets another's lease while that one answers ARP for it, or while it has a lease itself.
// Reservations do not move.

import Wire

extension DHCPServer {
  /// Whether the lease belongs to a station of the client's guest, and may move to the client.
  private func mayFollow(_ address: IPAddress, _ client: DHCPClient, now: UInt64) -> Bool {
    guard let isOneGuest, case .pool(let pool) = policy, let lease = table[address],
      lease.isLive(now), lease.state == .bound || lease.state == .reserved,
      lease.client.mac != client.mac, isOneGuest(lease.client.mac, client.mac),
      !pool.isReserved(address), pool.reservations[client.mac] == nil
    else { return false }
    guard let own = table.lease(of: client) else { return true }
    return own.state == .offered || !own.isLive(now)
  }

  /// A station uses an address that another station of its guest has leased. False: the lease does not move.
  package mutating func follow(
    _ address: IPAddress, to client: DHCPClient, now: UInt64
  ) -> Bool {
    guard mayFollow(address, client, now: now), var lease = table[address] else { return false }
    forgetOtherBindings(of: client, than: address)
    lease.client = client
    lease.isPresent = isPresent?(client.mac) ?? false
    table[address] = lease
    return true
  }

  /// A client requests such an address: the lease moves if no other station answers for it. Nil: it is no such
  /// address.
  mutating func claim(_ address: IPAddress, by client: DHCPClient, now: UInt64) -> DHCPProof? {
    guard mayFollow(address, client, now: now) else { return nil }
    let outcome = proof?(address, client.mac) ?? .unused
    if outcome == .unused { _ = follow(address, to: client, now: now) }
    return outcome
  }
}

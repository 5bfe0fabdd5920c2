// SPDX-License-Identifier: Apache-2.0
//
// A guest that changes its Ethernet address and keeps its lease. Where clients are known by their
// Ethernet address, it is another client by then; but both stations are behind one guest's port.
// There may be several there, a bridge in the guest: none takes another's lease while that
// answers for it, nor when it has one itself. What the configuration keeps for a station stays.

import Wire

extension DHCPServer {
  /// Whether a lease is one of the client's guest, and may become the client's.
  private func mayFollow(_ address: IPAddress, _ client: DHCPClient, now: UInt64) -> Bool {
    guard let isOneGuest, case .pool(let pool) = policy, let lease = table[address],
      lease.isLive(now), lease.state == .bound || lease.state == .reserved,
      lease.client.mac != client.mac, isOneGuest(lease.client.mac, client.mac),
      !pool.isReserved(address), pool.reservations[client.mac] == nil
    else { return false }
    guard let own = table.lease(of: client) else { return true }
    return own.state == .offered || !own.isLive(now)
  }

  /// A station speaks under an address that another of its guest has leased. False: it stays there.
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

  /// A client asks for such an address: it is moved if nobody else answers for it. Nil: it is none.
  mutating func claim(_ address: IPAddress, by client: DHCPClient, now: UInt64) -> DHCPProof? {
    guard mayFollow(address, client, now: now) else { return nil }
    let outcome = proof?(address, client.mac) ?? .unused
    if outcome == .unused { _ = follow(address, to: client, now: now) }
    return outcome
  }
}

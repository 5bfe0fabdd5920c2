// SPDX-License-Identifier: Apache-2.0
//
// IPv6 addresses that guests' Duplicate Address Detection asks for (RFC 4862 §5.4): the guest's port has one until it
// is through, and nobody else may speak of it as its own meanwhile (FCFS SAVI, RFC 6620 §3.2). Afterwards the plugin's
// bindings say whose it is; here is only remembered who had it before, since that guest objects by right.
//
// Bounded for each port: of more than that, those begun first are not protected. A value; time is an argument, seconds
// of the switch's clock. Loop thread only.

import Wire

struct TentativeAddresses {
  static let perPort = 128
  /// How long the detection takes at most after a probe (RFC 4862: one second for each).
  static let window: UInt32 = 3

  private struct Claim {
    var port: Int32
    var mac: UInt64
    var since: UInt32
    /// The port that went through the detection before; -1: none did.
    var former: Int32 = -1
  }

  private var claims: [IPAddress: Claim] = [:]
  /// What each port asked for, in a ring.
  private var rings: [Int32: (addresses: [IPAddress], next: Int)] = [:]

  var count: Int { claims.count }

  /// Who else is in the detection of the address. Nil also for a port that had it before.
  func other(than port: Int32, of address: IPAddress, now: UInt32) -> UInt64? {
    guard let claim = claims[address], claim.port != port, claim.former != port,
      now &- claim.since < Self.window
    else { return nil }
    return claim.mac
  }

  /// A port's probe. It takes the place of another's.
  mutating func claim(_ address: IPAddress, by port: Int32, mac: UInt64, now: UInt32) {
    guard let claim = claims[address] else {
      note(address, of: port)
      claims[address] = Claim(port: port, mac: mac, since: now)
      return
    }
    if claim.port == port {
      claims[address]?.since = now
      claims[address]?.mac = mac
      return
    }
    if claim.former != port { note(address, of: port) }
    claims[address] = Claim(port: port, mac: mac, since: now, former: claim.port)
  }

  /// The port is removed.
  mutating func depart(port: Int32) {
    for address in rings.removeValue(forKey: port)?.addresses ?? [] { drop(address, of: port) }
  }

  private mutating func note(_ address: IPAddress, of port: Int32) {
    // Taken out of the dictionary meanwhile, so that the array is not copied.
    var ring = rings.removeValue(forKey: port) ?? ([], 0)
    if ring.addresses.count < Self.perPort {
      ring.addresses.append(address)
    } else {
      drop(ring.addresses[ring.next], of: port)
      ring.addresses[ring.next] = address
      ring.next = (ring.next + 1) % Self.perPort
    }
    rings[port] = ring
  }

  private mutating func drop(_ address: IPAddress, of port: Int32) {
    if claims[address]?.port == port {
      claims[address] = nil
    } else if claims[address]?.former == port {
      claims[address]?.former = -1
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The formats of lease files, by which guests get the same address after a restart of the network.
//
//   PLUGIN-leases.json  all bindings: {"version":1,"leases":[{"address":...,"mac":...,"hostname":...,
//                       "state":"bound","expires":UNIX SECONDS or null}, ...]}
//   leases.json         Lima's file: one object, from address to Ethernet address, including the router's.
//                       Lima passes it to its own daemon, and Lima's clients read it.
//
// No I/O. Input is not trusted: invalid elements are ignored. Times in files are wall-clock times.

import LimaNetdSDK
import NetStack
import Wire

/// Encoder and parser of the lease files.
package enum LeaseFile {
  package static let limaName = "leases.json"
  /// Longer files are rejected.
  package static let maximumBytes = 4 << 20
  private static let second: UInt64 = 1_000_000_000

  /// Both clocks at the same moment.
  package struct Clocks: Sendable {
    /// Nanoseconds of the clock of lease expiry, which advances while the host sleeps.
    package var monotonic: UInt64
    /// Seconds since 1970.
    package var unix: UInt64

    package init(monotonic: UInt64, unix: UInt64) {
      self.monotonic = monotonic
      self.unix = unix
    }
  }

  // MARK: Our own

  /// How long a static binding is kept after a crash, seconds. The supervisor renews it when it reconnects the guest.
  private static let patience: UInt64 = 60

  /// Offers are not written.
  package static func text(_ leases: [DHCPLease], _ clocks: Clocks) -> String {
    let list = leases.compactMap { lease -> JSONValue? in
      let state = lease.state
      guard state != .offered && state != .declined else { return nil }
      return [
        "address": .string(lease.address.description),
        "mac": .string(lease.client.mac.description),
        "hostname": .string(lease.hostname),
        "state": .string(state.rawValue),
        "expires": lease.expiry.map { JSONValue(unix($0, clocks)) } ?? .null,
      ]
    }
    return JSONValue.object(["version": 1, "leases": .array(list)]).text + "\n"
  }

  /// Nil if the text is not a lease file.
  package static func read(_ text: String, _ clocks: Clocks) -> [DHCPLease]? {
    guard let root = try? JSONValue(parsing: text), root["version"] == 1,
      case .array(let list) = root["leases"]
    else { return nil }
    return list.compactMap { item in
      guard let (address, mac) = pair(item["address"], item["mac"]),
        case .string(let state) = item["state"]
      else { return nil }
      var hostname = ""
      if case .string(let text) = item["hostname"] { hostname = DHCPServer.hostname(text) }
      var lease = DHCPLease(
        address: address, client: DHCPClient(mac: mac), hostname: hostname, state: .released,
        expiry: clocks.monotonic)
      if state == DHCPLease.State.reserved.rawValue {
        lease.state = .bound
        lease.expiry = clocks.monotonic &+ patience * second
      }
      guard state == DHCPLease.State.bound.rawValue else { return lease }
      switch item["expires"] {
      case .null?:
        lease.state = .bound
        lease.expiry = nil
      case .integer(let time)? where time > Int64(clamping: clocks.unix):
        let seconds = UInt64(time) - clocks.unix
        lease.state = .bound
        lease.expiry = clocks.monotonic &+ min(seconds, UInt64(UInt32.max)) &* second
      // Expired, but its guest may still use the address.
      case .integer(let time)? where time >= 0: lease.state = .bound
      default: break
      }
      return lease
    }
  }

  private static func unix(_ expiry: UInt64, _ clocks: Clocks) -> UInt64 {
    expiry > clocks.monotonic
      ? clocks.unix + (expiry - clocks.monotonic) / second
      : clocks.unix - min((clocks.monotonic - expiry) / second, clocks.unix)
  }

  // MARK: Lima's

  package static func limaText(
    _ leases: [DHCPLease], router: IPAddress, routerMAC: MACAddress
  ) -> String {
    let kept = leases.lazy.filter { $0.state != .offered && $0.state != .declined }
    let members =
      [(router.description, JSONValue.string(routerMAC.description))]
      + kept.map { ($0.address.description, .string($0.client.mac.description)) }
    return JSONValue.object(JSONObject(members)).text + "\n"
  }

  /// Leases of Lima's daemon: remembered, not bound.
  package static func readLima(_ text: String, router: IPAddress, now: UInt64) -> [DHCPLease]? {
    guard let members = (try? JSONValue(parsing: text))?.object?.members else { return nil }
    return members.compactMap { member in
      guard let (address, mac) = pair(.string(member.name), member.value), address != router
      else { return nil }
      return DHCPLease(
        address: address, client: DHCPClient(mac: mac), hostname: "", state: .released,
        expiry: now)
    }
  }

  private static func pair(_ address: JSONValue?, _ mac: JSONValue?) -> (IPAddress, MACAddress)? {
    guard case .string(let address) = address, case .string(let mac) = mac,
      let address = IPAddress(address), address.isV4, let mac = MACAddress(mac), mac.isUnicast
    else { return nil }
    return (address, mac)
  }
}

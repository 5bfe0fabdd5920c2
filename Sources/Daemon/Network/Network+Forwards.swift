// SPDX-License-Identifier: Apache-2.0
//
// Whether a network's forwards lead anywhere: what its process said of one is kept with it (ForwardTable); whether the
// network runs and the guest is there is looked up here when somebody asks.

import HostProtocol
import Platform

extension Network: ForwardSurroundings {
  func whyAway(_ forward: Forward) -> String? {
    switch state {
    case .running: break
    case .stopped, .stopping: return "network \(name) is stopped"
    case .starting: return "network \(name) is starting"
    case .restarting: return "the process of network \(name) died and is started again"
    case .failed: return "network \(name) cannot start"
    }
    if isIsolated {
      let names = guests.names
      if names.isEmpty {
        return forward.guestName.isEmpty
          ? "no guest is connected"
          : "there is no guest \(forward.guestName): no guest is connected"
      }
      guard lacksGuest(forward), !leases.hostnames.contains(forward.guestName.lowercased()) else {
        return nil
      }
      let all = Set(names).union(leases.hostnames).sorted()
      return "there is no guest \(forward.guestName): \(Plural.there(all, most: 8))"
    }
    // Guests of a switch may also be at the host's own interface, or another daemon's.
    if !uplink.reachesOthers, guests.isEmpty { return "no guest is connected" }
    guard let guest = forward.guest, let colon = guest.lastIndex(of: ":") else { return nil }
    var address = String(guest[..<colon])
    if address.hasPrefix("["), address.hasSuffix("]") {
      address = String(address.dropFirst().dropLast())
    }
    return leases.absent.contains(address) ? "the guest \(address) is not there" : nil
  }

  /// It names a guest that none is called as: one that calls itself so may be meant.
  func lacksGuest(_ forward: Forward) -> Bool {
    !forward.guestName.isEmpty && !guests.names.contains(forward.guestName)
  }

  var isIsolated: Bool { active?.plugin.plugin.isolated ?? false }

  func keep(_ forward: Forward) { context.keptForwards.add(forward, to: name) }

  func forget(_ forward: Forward) { context.keptForwards.remove(forward, from: name) }

  /// Whether its guest is there follows from the leases.
  func forwardsChanged() { leases.watchIfIdle() }
}

// SPDX-License-Identifier: Apache-2.0
//
// How the forwards of a network are, for all who show them. What its process said of a forward is kept with it (`error`,
// and `state` when that is set); whether the network runs and the guest is there is looked up when somebody asks.

import HostProtocol
import Platform

extension Network {
  /// All of them, those that wait included, each with its state and the reason.
  var listedForwards: [Forward] { (forwards + waitingForwards.map(\.forward)).map(shown) }

  /// Those that `owner` wants.
  func listedForwards(of owner: String) -> [Forward] {
    forwards.filter { forwardOwners[ExposedKey($0)] == owner }.map(shown)
      + waitingForwards.filter { $0.owner == owner }.map { shown($0.forward) }
  }

  /// The forward with its state and the reason.
  func shown(_ forward: Forward) -> Forward {
    var shown = forward
    shown.reason = forward.error ?? whyAway(forward)
    if shown.reason == nil, forward.state != nil { shown.reason = "it is about to be opened" }
    shown.state = forward.state ?? (shown.reason == nil ? .open : .waiting)
    if forward.error == nil, let lost = whyLost(forward) {
      shown.state = .failed
      shown.reason = lost
    }
    return shown
  }

  /// Why nobody finds the socket of a unix forward, which listens all the same; nil: they do. Looked at when it is shown:
  /// nobody tells when a file goes.
  private func whyLost(_ forward: Forward) -> String? {
    guard forward.protocol == ForwardSpec.Transport.unix.rawValue,
      let loss = unixListeners.loss(at: forward.host)
    else { return nil }
    let remedy: String
    if let owner = forwardOwners[ExposedKey(forward)] {
      remedy =
        "lima-netd network restart \(name) makes it anew, for \(owner), and ends the network's connections"
    } else {
      remedy = "lima-netd forward rm \(name) unix \(forward.host), and add it again"
    }
    switch loss {
    case .removed: return "somebody removed its socket's file: \(remedy)"
    case .replaced:
      return "somebody put another file in its socket's place: remove that, then \(remedy)"
    }
  }

  /// Why one that has no fault of its own leads nowhere; nil when it does lead somewhere, or that is not known.
  private func whyAway(_ forward: Forward) -> String? {
    switch state {
    case .running: break
    case .stopped, .stopping: return "network \(name) is stopped"
    case .starting: return "network \(name) is starting"
    case .restarting: return "the process of network \(name) died and is started again"
    case .failed: return "network \(name) cannot start"
    }
    if isIsolated {
      let names = guests.values.map(\.name) + unixgramGuests.values.map(\.name)
      if names.isEmpty { return "no guest is connected" }
      guard forward.guestName.isEmpty || names.contains(forward.guestName) else {
        return "there is no guest \(forward.guestName): \(Plural.there(names.sorted(), most: 8))"
      }
      return nil
    }
    // Guests of a switch may also be at the host's own interface, or another daemon's.
    if tap == nil, peer == nil, guests.isEmpty, unixgramGuests.isEmpty {
      return "no guest is connected"
    }
    guard let guest = forward.guest, let colon = guest.lastIndex(of: ":") else { return nil }
    let address = String(guest[..<colon])
    return absentAddresses.contains(address) ? "the guest \(address) is not there" : nil
  }

  /// All guests have the same address, and a forward names its guest.
  var isIsolated: Bool { active?.plugin.plugin.isolated ?? false }
}

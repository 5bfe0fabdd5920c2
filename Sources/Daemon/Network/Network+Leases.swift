// SPDX-License-Identifier: Apache-2.0
//
// Follows the leases of a running network: for Lima's leases.json, and for instances whose forwards wait for an address.
// The process tells when they change, as far as its plugin does. It is asked then, soon after a guest came, at growing
// intervals, and once more when it stops.

import HostProtocol
import Platform

extension Network {
  private static let soonest: UInt64 = 500_000_000
  private static let impatient: UInt64 = 1_000_000_000
  private static let latest: UInt64 = 60_000_000_000
  private static let maximumRemembered = 65536

  /// Something may change soon: a guest came, or somebody waits for one.
  func watchLeases() {
    leaseInterval = Self.soonest
    if let leaseTimer { context.loop.cancel(leaseTimer) }
    leaseTimer = nil
    guard state == .running, followsLeases else { return }
    scheduleLeases()
  }

  /// Whether somebody has a use for the leases.
  var followsLeases: Bool {
    usernet != nil || !leaseObservers.isEmpty || !zones.isEmpty || !forwards.isEmpty && !isIsolated
  }

  private func scheduleLeases() {
    leaseTimer = context.loop.schedule(after: leaseInterval) { [weak self] in
      guard let self else { return }
      leaseTimer = nil
      guard state == .running, let link else { return }
      leaseInterval = min(leaseInterval * 2, Self.latest)
      // A guest that boots asks for its address late, and somebody waits for that.
      let hasGuests = !guests.isEmpty || !unixgramGuests.isEmpty
      if hasGuests, leaseObservers.values.contains(where: { $0.isWaiting() }) {
        leaseInterval = min(leaseInterval, Self.impatient)
      }
      scheduleLeases()
      askForLeases(link)
    }
  }

  /// The address of the network's gateway; nil where the configuration says nothing of addresses.
  var router: String? {
    active?.options["router"]?.string ?? wanted.subnet.map(LimaLeases.gateway)
  }

  /// Something changed just now.
  func leasesChanged() {
    guard state == .running, let link, followsLeases else { return }
    // One question at a time, whatever the process says how often.
    guard !isAskingForLeases else {
      leasesChangedMeanwhile = true
      return
    }
    askForLeases(link)
  }

  func askForLeases(_ link: HostLink) {
    isAskingForLeases = true
    listLeases(link) { [weak self, weak link] reply in
      guard let self, let link, self.link == nil || self.link === link else { return }
      isAskingForLeases = false
      defer {
        if leasesChangedMeanwhile {
          leasesChangedMeanwhile = false
          leasesChanged()
        }
      }
      if case .success(let leases) = reply { took(leases) }
    }
  }

  /// The leases as they are now.
  func took(_ leases: [LeaseReport]) {
    if let usernet {
      let map = LimaLeases.map(leases, gateway: router)
      if map != keptLeases {
        do throws(SystemError) {
          try usernet.keep(map)
          keptLeases = map
        } catch {
          log(.warning, "leases are not kept: \(error)")
        }
      }
    }
    // An address nobody ever had is somebody's who configured it by hand, for all that is known.
    let present = Set(leases.filter { !$0.isAbsent }.map(\.address))
    if leasedAddresses.count < Self.maximumRemembered { leasedAddresses.formUnion(present) }
    let gone = leasedAddresses.subtracting(present)
    if gone != absentAddresses {
      absentAddresses = gone
      pushZones()
    }
    for observer in leaseObservers.values { observer.onLeases(leases) }
  }
}

/// Somebody who follows the leases of a network.
struct LeaseObserver {
  /// Whether it waits for one that is not there yet.
  var isWaiting: () -> Bool
  var onLeases: ([LeaseReport]) -> Void
}

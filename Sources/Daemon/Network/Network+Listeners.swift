// SPDX-License-Identifier: Apache-2.0
//
// What becomes of a network by its sockets: without them it cannot start; the process by which Lima takes it for running
// says that Lima needs it no more.

import HostProtocol
import Logging
import Platform

extension Network: ListenerSurroundings {
  func socketsOpened(afterRefusal: Bool) {
    guard state == .failed else { return }
    if afterRefusal { log(.notice, "its sockets are free: it is served from now on") }
    step(.socketsOpened)
  }

  func socketsRefused(_ report: ErrorReport) {
    if life.state.error != report { log(.error, report.message) }
    step(.socketsRefused(report))
  }

  var lacksSockets: Bool { state == .failed && !demand.isRetired }

  func letGoByLima() {
    guard state == .running, guests.isEmpty, !demand.isHeld else {
      let count = guests.total
      return log(
        .info, "Lima needs it no more; \(Plural.text(count, "guest")) \(count == 1 ? "does" : "do")"
      )
    }
    stop("Lima needs it no more")
  }
}

extension Network: LeaseSurroundings {
  func leasesAreKept(_ trouble: String?) { note(.leases, trouble) }

  var hasGuests: Bool { !guests.isEmpty }

  var needsLeases: Bool {
    listeners.usernet != nil || names.hasZones || !forwards.open.isEmpty && !isIsolated
      || isIsolated && forwards.open.contains { lacksGuest($0) }
  }

  var leaseFiles: UsernetFiles? { listeners.usernet }

  /// By its options, or where those say nothing, by its subnet.
  var router: String? {
    active?.options["router"]?.string ?? wanted.subnet.map(LimaLeases.gateway)
  }

  func guestsAreAbsent(_ addresses: Set<String>) { names.withhold(addresses) }
}

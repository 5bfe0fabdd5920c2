// SPDX-License-Identifier: Apache-2.0
//
// A network's guests: arriving by socket or TAP, handed to the process, leaving.

import HostProtocol
import Logging
import Platform

extension Network {
  /// Processes that may die over the question for one guest's lease before the guest is told that it has none.
  static let leaseAttempts = 3

  /// A guest connected to one of the sockets. The descriptor is ours.
  func arrived(_ transport: PortTransport, _ fd: Int32) {
    if life.state.refusesGuests(at: MonotonicClock.now()) { return Descriptor.close(fd) }
    let full =
      guests.isFull ? "there are \(guests.count) already" : context.guestIDs.whyFull
    if let full {
      log(.warning, "a guest was sent away: \(full)")
      note(.fullOfGuests, "a guest was sent away: \(full)")
      return Descriptor.close(fd)
    }
    try? Descriptor.setNonBlocking(fd)
    let id = context.guestIDs.next()
    let slot = transport.isStream ? guests.takeSlot() : -1
    add(Guest(id: id, name: "guest-\(id)", transport: transport, fd: fd, journalSlot: slot))
  }

  /// A TAP of `exec` or `attach`, whose descriptor becomes ours. `answer` comes once: what the guest configures, or why
  /// it has no network. `onGone` comes later, when the guest was sent away.
  func attach(
    _ request: AttachRequest, fd: Int32,
    answer: @escaping (Result<(id: UInt64, lease: LeaseOffer?), ErrorReport>) -> Void,
    onGone: @escaping (String) -> Void
  ) -> UInt64 {
    let id = context.guestIDs.next()
    let guest = Guest(
      id: id, name: request.name, transport: .tap, fd: fd, mac: request.mac, mtu: request.mtu,
      vnetHeader: request.vnetHeader)
    var answered = false
    func once(_ result: Result<(id: UInt64, lease: LeaseOffer?), ErrorReport>) {
      if answered { return }
      answered = true
      answer(result)
    }
    guest.onGone = { [weak self] reason in
      // One that is not on the network yet was not sent away: it came too late.
      let late = self.flatMap {
        $0.state == .stopping && !$0.demand.isRetired ? $0.stopReport : nil
      }
      once(.failure(late ?? ErrorReport(.system, reason)))
      onGone(reason)
    }
    guard !guests.isFull else {
      guest.close("network \(name) has \(Plural.text(guests.count, "guest")) already")
      return id
    }
    if let full = context.guestIDs.whyFull {
      guest.close(full)
      return id
    }
    // Before `add`, whose own failure would only say that the guest had to go.
    waitForLease(id, needsLease: request.needsLease, once)
    add(guest)
    if let link = core.running { flushWaiters(.success(link)) }
    return id
  }

  /// Asks for the guest's lease when the network runs; again when the process dies over it, whatever it dies of.
  private func waitForLease(
    _ id: UInt64, needsLease: Bool, attempt: Int = 1,
    _ answer: @escaping (Result<(id: UInt64, lease: LeaseOffer?), ErrorReport>) -> Void
  ) {
    waiters.append { [weak self] result in
      guard let self else { return }
      switch result {
      case .failure(let error):
        answer(.failure(error))
        guestLeft(id, error.message, tellHost: false)
      case .success(let link):
        // Who asks by DHCP need not have told its address.
        guard needsLease || guests[id]?.mac != nil else { return answer(.success((id, nil))) }
        reserve(id, needsLease: needsLease, on: link, attempt: attempt, answer)
      }
    }
  }

  private func reserve(
    _ id: UInt64, needsLease: Bool, on link: HostLink, attempt: Int,
    _ answer: @escaping (Result<(id: UInt64, lease: LeaseOffer?), ErrorReport>) -> Void
  ) {
    link.request(.reserveLease(port: id)) { [weak self] reply in
      guard let self else { return }
      let report: ErrorReport
      switch reply {
      case .success(.json(let value)):
        if let lease = try? JSONText.decode(LeaseOffer.self, from: value) {
          guests[id]?.hasLease = true
          return answer(.success((id, lease)))
        }
        report = core.report(.internal, "the lease makes no sense: \(value.text)")
      case .success:
        report = core.report(.internal, "no lease came")
      case .failure where link.hasEnded && guests[id] != nil:
        guard attempt >= Self.leaseAttempts else {
          return waitForLease(id, needsLease: needsLease, attempt: attempt + 1, answer)
        }
        report = core.report(
          .internal,
          "its process ended while it was asked for an address, \(Plural.times(attempt)) in a row; see "
            + core.logFile)
      case .failure(let error) where error.code == .unsupported && !needsLease:
        return answer(.success((id, nil)))
      case .failure(let error) where error.code == .unsupported:
        report = ErrorReport(
          error.code,
          "network \(name) gives no addresses itself: attach a guest that runs a DHCP client, "
            + "with lima-netd attach --no-config or by the network's sockets")
      case .failure(let error):
        report = core.report(error)
      }
      answer(.failure(report))
      guestLeft(id, report.message, tellHost: true)
    }
  }

  private func add(_ guest: Guest) {
    guests.insert(guest)
    context.guestIDs.connected += 1
    log(.info, "guest \(guest.name) came by \(guest.transport.rawValue)")
    if let link = core.running {
      introduce(guest, to: link)
      considerStopping()
    } else {
      watchHangup(guest)
      start()
    }
  }

  /// Gives the process a guest's link.
  func introduce(_ guest: Guest, to link: HostLink) {
    core.loop.remove(guest.fd)
    link.request(.addPort(guest.spec), fds: [guest.fd]) { [weak self] answer in
      guard case .failure(let error) = answer, let self, !link.hasEnded else {
        if case .success = answer { self?.note(.fullOfGuests, nil) }
        return
      }
      if error.code == .limit { note(.fullOfGuests, "a guest was sent away: \(error.message)") }
      let reason =
        error.code == .boundary
        ? "its stream cannot go on where the dead process left it: it has to connect again"
        : error.description
      guestLeft(guest.id, reason, tellHost: false)
    }
    guest.introduced = true
    uplink.serve(guest.id)
    leases.watch()
    guard guest.hasLease else { return }
    // A process before this one gave it an address: the new one has to know that it is taken.
    link.request(.reserveLease(port: guest.id)) { [weak self] answer in
      guard case .failure(let error) = answer, let self, !link.hasEnded else { return }
      log(.warning, "guest \(guest.name) may lose its address to another: \(error)")
    }
  }

  /// Notices that a stream is closed while no process reads it.
  func watchHangup(_ guest: Guest) {
    let id = guest.id
    guests.watchHangup(guest) { [weak self] in
      self?.guestLeft(id, "closed the connection", tellHost: false)
    }
  }

  /// Idempotent.
  func guestLeft(_ id: UInt64, _ reason: String, tellHost: Bool) {
    guard let guest = guests.remove(id) else { return }
    log(.info, "guest \(guest.name) left: \(reason)")
    if tellHost, let link = core.running, !link.hasEnded { link.request(.removePort(id)) }
    release(guest, reason)
    leases.watch()
    considerStopping()
  }

  /// Sends all guests away.
  func dismissGuests(_ reason: String) {
    for guest in guests.removeAll() { release(guest, reason) }
  }

  private func release(_ guest: Guest, _ reason: String) {
    context.guestIDs.connected -= 1
    uplink.forget(guest.id)
    guest.close(reason)
  }

  // MARK: Unixgram

  func unixgramCame(_ id: UInt64, _ name: String, _ address: String) {
    guard guests.unixgramCame(id, name: name, address: address) else { return }
    log(.info, "guest \(name) came by \(listeners.paths.unixgram)")
    if let given = guests.givenName(address), given != name {
      guests.rename(id, given)
      link?.request(.renamePort(PortName(id: id, name: given)))
    }
    uplink.serve(id)
    leases.watch()
    considerStopping()
  }

  func unixgramLeft(_ id: UInt64) {
    guard let guest = guests.unixgramLeft(id) else { return }
    uplink.forget(id)
    log(.info, "guest \(guest.name) left")
    leases.watch()
    considerStopping()
  }

  /// A frame waits at the unixgram socket.
  func unixgramFrame() {
    guard life.state.refusesGuests(at: MonotonicClock.now()) else { return start() }
    listeners.drainUnixgram()
    watchUnixgramSoon()
  }

  /// It cannot start just now: frames that come meanwhile must not have it try at once.
  func watchUnixgramSoon() {
    core.loop.schedule(after: 1_000_000_000) { [weak self] in
      guard let self, state == .failed || state == .stopped else { return }
      listeners.watchUnixgram()
    }
  }
}

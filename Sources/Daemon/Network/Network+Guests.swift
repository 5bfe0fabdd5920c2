// SPDX-License-Identifier: Apache-2.0
//
// A network's guests: arriving by socket or TAP, handed to the process, leaving.

import HostProtocol
import Logging
import Platform

extension Network {
  static let maximumGuests = 1024
  /// Processes that may die over the question for one guest's lease before the guest is told that it has none.
  static let leaseAttempts = 3

  /// A guest connected to one of the sockets. The descriptor is ours.
  func arrived(_ transport: PortTransport, _ fd: Int32) {
    if state == .failed, MonotonicClock.now() < failedUntil { return Descriptor.close(fd) }
    let full =
      guests.count < Self.maximumGuests
      ? context.guestIDs.whyFull : "there are \(guests.count) already"
    if let full {
      log(.warning, "a guest was sent away: \(full)")
      return Descriptor.close(fd)
    }
    try? Descriptor.setNonBlocking(fd)
    let id = context.guestIDs.next()
    var slot = -1
    if transport.isStream {
      if journal == nil { journal = try? JournalSlots(network: name) }
      slot = journal?.take() ?? -1
    }
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
    guest.onGone = { reason in
      once(.failure(ErrorReport(code: HostError.Code.system.rawValue, message: reason)))
      onGone(reason)
    }
    guard guests.count < Self.maximumGuests else {
      guest.close("network \(name) has \(Plural.text(guests.count, "guest")) already")
      return id
    }
    if let full = context.guestIDs.whyFull {
      guest.close(full)
      return id
    }
    failedUntil = 0
    // Before `add`, whose own failure would only say that the guest had to go.
    waitForLease(id, needsLease: request.needsLease, once)
    add(guest)
    if state == .running, let link { flushWaiters(link) }
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

  private func flushWaiters(_ link: HostLink) {
    let waiting = waiters
    waiters = []
    for waiter in waiting { waiter(.success(link)) }
  }

  private func reserve(
    _ id: UInt64, needsLease: Bool, on link: HostLink, attempt: Int,
    _ answer: @escaping (Result<(id: UInt64, lease: LeaseOffer?), ErrorReport>) -> Void
  ) {
    link.request(.reserveLease(port: id)) { [weak self] reply in
      guard let self else { return }
      let report: ErrorReport
      switch reply {
      case .success(.json(let text)):
        if let lease = try? JSONText.decode(LeaseOffer.self, from: text) {
          guests[id]?.hasLease = true
          return answer(.success((id, lease)))
        }
        report = ErrorReport(
          code: HostError.Code.internal.rawValue,
          message: "network \(name): the lease makes no sense: \(text)")
      case .success:
        report = ErrorReport(
          code: HostError.Code.internal.rawValue, message: "network \(name): no lease came")
      case .failure where link.hasEnded && guests[id] != nil:
        guard attempt >= Self.leaseAttempts else {
          return waitForLease(id, needsLease: needsLease, attempt: attempt + 1, answer)
        }
        report = ErrorReport(
          code: HostError.Code.internal.rawValue,
          message:
            "network \(name): its process ended while it was asked for an address, \(Plural.times(attempt)) in a row; see "
            + context.home.networkLog(name))
      case .failure(let error) where error.code == .unsupported && !needsLease:
        return answer(.success((id, nil)))
      case .failure(let error) where error.code == .unsupported:
        report = ErrorReport(
          code: error.code.rawValue,
          message:
            "network \(name) gives no addresses itself: attach a guest that runs a DHCP client, "
            + "with lima-netd attach --no-config or by the network's sockets")
      case .failure(let error):
        report = ErrorReport(code: error.code.rawValue, message: "network \(name): \(error)")
      }
      answer(.failure(report))
      guestLeft(id, report.message, tellHost: true)
    }
  }

  private func add(_ guest: Guest) {
    guests[guest.id] = guest
    context.guestIDs.connected += 1
    log(.info, "guest \(guest.name) came by \(guest.transport.rawValue)")
    if state == .running, let link {
      introduce(guest, to: link)
      considerStopping()
    } else {
      watchHangup(guest)
      start()
    }
  }

  /// Gives the process a guest's link.
  func introduce(_ guest: Guest, to link: HostLink) {
    context.loop.remove(guest.fd)
    link.request(.addPort(guest.spec), fds: [guest.fd]) { [weak self] answer in
      guard case .failure(let error) = answer, let self, !link.hasEnded else { return }
      let reason =
        error.code == .boundary
        ? "its stream cannot go on where the dead process left it: it has to connect again"
        : error.description
      guestLeft(guest.id, reason, tellHost: false)
    }
    guest.introduced = true
    cards?.serve(guest.id)
    watchLeases()
    guard guest.hasLease else { return }
    // A process before this one gave it an address: the new one has to know that it is taken.
    link.request(.reserveLease(port: guest.id)) { [weak self] answer in
      guard case .failure(let error) = answer, let self, !link.hasEnded else { return }
      log(.warning, "guest \(guest.name) may lose its address to another: \(error)")
    }
  }

  /// Notices that a stream is closed while no process reads it.
  func watchHangup(_ guest: Guest) {
    guard guest.transport.isStream else { return }
    let id = guest.id
    try? context.loop.add(guest.fd, []) { [weak self] _ in
      self?.guestLeft(id, "closed the connection", tellHost: false)
    }
  }

  /// Idempotent.
  func guestLeft(_ id: UInt64, _ reason: String, tellHost: Bool) {
    guard let guest = guests.removeValue(forKey: id) else { return }
    log(.info, "guest \(guest.name) left: \(reason)")
    if tellHost, let link, !link.hasEnded { link.request(.removePort(id)) }
    release(guest, reason)
    watchLeases()
    considerStopping()
  }

  /// Sends all guests away.
  func dismissGuests(_ reason: String) {
    let all = guests.values.sorted { $0.id < $1.id }
    guests = [:]
    for guest in all { release(guest, reason) }
  }

  private func release(_ guest: Guest, _ reason: String) {
    context.guestIDs.connected -= 1
    context.loop.remove(guest.fd)
    cards?.forget(guest.id)
    journal?.give(back: guest.journalSlot)
    guest.close(reason)
  }

  /// A frame waits at the unixgram socket.
  func unixgramFrame() {
    if state == .failed, MonotonicClock.now() < failedUntil {
      sockets.drainUnixgram()
      context.loop.schedule(after: 1_000_000_000) { [weak self] in
        guard let self, state == .failed || state == .stopped else { return }
        try? sockets.watchUnixgram()
      }
      return
    }
    start()
  }
}

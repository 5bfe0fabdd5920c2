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

  /// A TAP of `exec` or `attach`, whose descriptor becomes ours.
  /// - Parameter onGone: called later, when the guest was sent away.
  /// - Returns: its number, and what it configures, or why it has no network.
  func attach(
    _ request: AttachRequest, fd: Int32, onGone: @escaping (String) -> Void
  ) -> (id: UInt64, lease: Promise<LeaseOffer?, ErrorReport>) {
    let id = context.guestIDs.next()
    let guest = Guest(
      id: id, name: request.name, transport: .tap, fd: fd, mac: request.mac, mtu: request.mtu,
      vnetHeader: request.vnetHeader)
    let offered = Promise<LeaseOffer?, ErrorReport>()
    guest.onGone = { [core, weak self] reason in
      // One that is not on the network yet was not sent away: it came too late.
      let late = self.flatMap {
        $0.state == .stopping && !$0.demand.isRetired ? $0.stopReport : nil
      }
      // What the network says of itself, in the same callback, comes first.
      core.loop.later { offered.fail(late ?? ErrorReport(.system, reason)) }
      onGone(reason)
    }
    guard !guests.isFull else {
      guest.close("network \(name) has \(Plural.text(guests.count, "guest")) already")
      return (id, offered)
    }
    if let full = context.guestIDs.whyFull {
      guest.close(full)
      return (id, offered)
    }
    // Before `add`, whose own failure would only say that the guest had to go.
    let running = Promise<HostLink, ErrorReport>()
    waiting.forProcess.append(running)
    core.begin { [self] in
      do throws(ErrorReport) {
        offered.keep(.success(try await lease(of: id, running, isNeeded: request.needsLease)))
      } catch {
        offered.fail(error)
        guestLeft(id, error.message, tellHost: true)
      }
    }
    add(guest)
    if let link = core.running { flushWaiters(.success(link)) }
    return (id, offered)
  }

  /// Asks for the guest's lease when the network runs; again when the process dies over it, whatever it dies of.
  private func lease(
    of id: UInt64, _ running: Promise<HostLink, ErrorReport>, isNeeded: Bool
  ) async throws(ErrorReport) -> LeaseOffer? {
    var running = running
    var attempt = 1
    while true {
      let link = try await running.value()
      // Who asks by DHCP need not have told its address.
      guard isNeeded || guests[id]?.mac != nil else { return nil }
      do throws(HostError) {
        return try offer(await link.ask(.reserveLease(port: id)), to: id)
      } catch {
        guard link.hasEnded, guests[id] != nil else {
          if error.code == .unsupported, !isNeeded { return nil }
          throw refusal(error)
        }
        guard attempt < Self.leaseAttempts else {
          throw core.report(
            .internal,
            "its process ended while it was asked for an address, \(Plural.times(attempt)) in a row; see "
              + core.logFile)
        }
      }
      attempt += 1
      running = Promise()
      if let next = core.running, !next.hasEnded {
        running.keep(.success(next))
      } else {
        waiting.forProcess.append(running)
      }
    }
  }

  private func offer(_ reply: HostReply, to id: UInt64) throws(HostError) -> LeaseOffer {
    guard case .json(let value) = reply else { throw HostError(.internal, "no lease came") }
    guard let lease = try? JSONText.decode(LeaseOffer.self, from: value) else {
      throw HostError(.internal, "the lease makes no sense: \(value.text)")
    }
    guests[id]?.hasLease = true
    return lease
  }

  private func refusal(_ error: HostError) -> ErrorReport {
    guard error.code == .unsupported else { return core.report(error) }
    return ErrorReport(
      error.code,
      "network \(name) gives no addresses itself: attach a guest that runs a DHCP client, "
        + "with lima-netd attach --no-config or by the network's sockets")
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
    let added = link.send(.addPort(guest.spec), fds: [guest.fd])
    core.begin { [self] in
      do throws(HostError) {
        _ = try await added.value()
        note(.fullOfGuests, nil)
      } catch {
        if !link.hasEnded { refused(guest, error) }
      }
    }
    guest.introduced = true
    uplink.serve(guest.id)
    leases.watch()
    guard guest.hasLease else { return }
    // A process before this one gave it an address: the new one has to know that it is taken.
    let reserved = link.send(.reserveLease(port: guest.id))
    core.begin { [self] in
      do throws(HostError) { _ = try await reserved.value() } catch {
        guard !link.hasEnded else { return }
        log(.warning, "guest \(guest.name) may lose its address to another: \(error)")
      }
    }
  }

  /// The process does not take its link.
  private func refused(_ guest: Guest, _ error: HostError) {
    if error.code == .limit { note(.fullOfGuests, "a guest was sent away: \(error.message)") }
    let reason =
      error.code == .boundary
      ? "its stream cannot go on where the dead process left it: it has to connect again"
      : error.description
    guestLeft(guest.id, reason, tellHost: false)
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
    if tellHost, let link = core.running, !link.hasEnded { link.send(.removePort(id)) }
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
      link?.send(.renamePort(PortName(id: id, name: given)))
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

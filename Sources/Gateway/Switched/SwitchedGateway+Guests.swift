// SPDX-License-Identifier: Apache-2.0
//
// Arrival and departure of guests, their leases and their names: publishes the changes that GuestDirectory computes to the
// switch's guard, the stack, DNS and the lease files.

import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

extension SwitchedGateway {
  /// Minimum interval of writes of the lease files, nanoseconds. The first is immediate.
  private static let saveInterval: UInt64 = 100_000_000

  // MARK: limanetd.guests/1

  public static var isSelective: Bool { true }

  public final func guestUp(_ info: PortInfo) {
    directory.guestUp(info.port, name: info.name)
    let mac = MACAddress(bytes: info.mac)
    if mac.isUnicast { note(mac, at: info.port) }
    censuses = 0
    armCensus()
  }

  // MARK: Who is there

  /// When present stations with a lease that have not sent anything are probed, nanoseconds after a guest has come up: a
  /// guest older than this process may send nothing, and its names are needed.
  private static let censusTimes: [UInt64] = [50_000_000, 1_000_000_000, 5_000_000_000]
  /// Maximum number of probes at once; each goes to all guests.
  private static let mostAsked = 64

  private func armCensus() {
    guard censusTimer == 0, censuses < Self.censusTimes.count else { return }
    censusTimer = host.timer(at: host.now &+ Self.censusTimes[censuses], user: 1)
  }

  func askAbsent() {
    censuses += 1
    let link = stack.link(of: port)
    guard link != 0 else { return }
    let now = stack.core.elapsed
    let absent = dhcp.remembered(port: port).lazy
      .filter { [directory] in
        $0.state == .bound && $0.isLive(now) && !directory.isPresent($0.client.mac)
      }
      .map(\.address).prefix(Self.mostAsked)
    guard !absent.isEmpty else { return }
    for address in absent { stack.core.askFor(address, on: link) }
    for entry in (ipv6?.addresses(port: port) ?? []).lazy
      .filter({ [directory] in !directory.isPresent($0.mac) }).prefix(Self.mostAsked)
    {
      stack.core.askFor(entry.address, on: link)
    }
    stack.endOfIteration()
    armCensus()
  }

  public final func guestChanged(_ info: PortInfo) {
    directory.guestChanged(info.port, name: info.name)
    settle()
  }

  public final func guestDown(_ port: lnd_port) {
    let gone = directory.guestDown(port)
    stack.stationsDown(gone, port: self.port)
    stack.core.shares.guestGone(port)
    for mac in gone { dhcp.cancelReservation(port: self.port, mac: mac) }
    dhcp.stationsDown(gone, port: self.port)
    settle()
  }

  public final func station(
    _ port: lnd_port, _ mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  ) {
    let station = MACAddress(bytes: mac)
    dhcp.stationUp(station, port: self.port)
    let isNew = note(station, at: port)
    if isNew { dhcp.askAhead(port: self.port) }
    if isNew || directory.isPending { settle() }
  }

  /// Records a station behind a guest's port, and with it the guest's share.
  @discardableResult
  private func note(_ mac: MACAddress, at port: lnd_port) -> Bool {
    stack.core.shares.station(mac, isBehind: port)
    let isNew = directory.station(mac, at: port)
    let dropped = directory.takeDropped()
    if !dropped.isEmpty {
      stack.stationsDown(dropped, port: self.port)
      dhcp.stationsDown(dropped, port: self.port)
    }
    return isNew
  }

  // MARK: limanetd.lease/1

  public final func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    let mac = MACAddress(bytes: request.mac)
    guard mac.isUnicast else {
      throw .invalid(nil, "a guest of this network needs an Ethernet address to have another")
    }
    guard mac != stack.config.gatewayMAC else {
      throw PluginFailure(
        LND_ERR_EXISTS,
        "the Ethernet address \(mac) is the gateway's: give the guest another (--mac)")
    }
    note(mac, at: request.port)
    guard let address = dhcp.reserve(port: port, mac: mac, name: request.name) else {
      throw PluginFailure(
        LND_ERR_LIMIT,
        "the network has no address left: all are leased, up to \(settings.lastAddress)")
    }
    let ipv6 = reserveIPv6(port: port, mac: mac)
    settle()
    return [
      "address": .string(address.description),
      "prefixLength": JSONValue(settings.subnet.prefixLength),
      "gateway": .string(settings.router.description),
      "dns": [.string(settings.router.description)],
      "mtu": JSONValue(settings.mtu),
      "search": .array(search.map { .string($0) }),
      "ipv6": ipv6 ?? .null,
    ]
  }

  public final func listLeases() -> JSONValue {
    (try? JSONValue(parsing: listLeasesText())) ?? .array([])
  }

  public final func listLeasesText() -> [UInt8] {
    let now = stack.core.elapsed
    let leases = dhcp.leases().map { lease, _ in
      LeaseLine(
        address: lease.address, mac: lease.client.mac,
        name: directory.guestName(of: lease.client.mac), hostname: lease.hostname,
        state: lease.state.rawValue, expiry: lease.expiry, now: now)
    }
    let six = ipv6Leases(
      ipv6?.addresses(port: port) ?? [], name: { directory.guestName(of: $0.mac) },
      hostname: { hostname(of: $0) }, primary: { ipv6?.primary(of: $0, port: port) })
    return LeaseLine.array(leases + six)
  }

  /// The host name that a station has sent to either DHCP server.
  private func hostname(of mac: MACAddress) -> String {
    let own = ipv6?.hostname(of: mac, port: port) ?? ""
    guard own.isEmpty else { return own }
    let now = stack.core.elapsed
    return dhcp.remembered(of: mac, port: port).first { $0.isLive(now) }?.hostname ?? ""
  }

  /// A station's bindings for the directory.
  private func bindings(of mac: MACAddress) -> GuestDirectory.Bindings {
    var found = GuestDirectory.Bindings(leases: dhcp.remembered(of: mac, port: port))
    guard let ipv6 else { return found }
    let (primary, hostname) = (
      ipv6.primary(of: mac, port: port), ipv6.hostname(of: mac, port: port)
    )
    found.addresses6 = ipv6.addresses(of: mac, port: port).map {
      GuestDirectory.Address6(
        address: $0.address, mac: mac, isPrimary: $0.address == primary, hostname: hostname)
    }
    return found
  }

  // MARK: Changes

  /// Publishes changes. Not called from inside of the stack.
  /// - Parameter limit: maximum number of stations; the next iteration continues.
  func settle(limit: Int = GuestDirectory.stationsAtOnce) {
    let changes = directory.update(now: stack.core.elapsed, limit: limit) { bindings(of: $0) }
    let link = stack.link(of: port)
    for address in changes.unbound {
      hostGuard?.unbind(address.description)
      stack.core.bindNeighbor(address, to: nil, on: link)
    }
    for (address, mac) in changes.bound {
      do throws(PluginFailure) {
        try hostGuard?.bind(address.description, to: mac.bytes)
      } catch {
        host.log(.warn, error.text)
      }
      stack.core.bindNeighbor(
        address, to: mac, isPresent: directory.isPresent(mac), on: link)
    }
    for record in changes.withdrawn { names?.withdraw(record.name, record.address.description) }
    for record in changes.published {
      do throws(PluginFailure) {
        try names?.publish(record.name, record.address.description)
      } catch {
        host.log(.warn, error.text)
      }
    }
    for refusal in changes.refused {
      let owner = refusal.owner.map {
        directory.isPresent($0)
          ? "\($0) has it" : "\($0) has it, which is away but has its address still"
      }
      host.log(
        .warn,
        "\(refusal.mac) does not get the name \(refusal.name): \(owner ?? "it is the host's")")
    }
    // NetworkNotes of the daemon reads these words, and those above.
    for refusal in changes.ended {
      let what = refusal.owner == nil ? "no longer asks for" : "now has"
      host.log(.info, "\(refusal.mac) \(what) the name \(refusal.name)")
    }
    stack.endOfIteration()
    armExpiry()
    saveSoon()
  }

  /// Maximum interval of checks, nanoseconds: a binding may end while the host sleeps, and timers do not advance then.
  private static let longestWait: UInt64 = 60_000_000_000

  /// Sets the timer for stations left over and for the next binding to end.
  private func armExpiry() {
    host.cancel(timer: expiryTimer)
    let now = stack.core.elapsed
    let next = directory.isPending ? now : directory.nextExpiry
    expiryTimer =
      next == .max
      ? 0
      : host.timer(
        at: host.now &+ min(next > now ? next - now : 0, Self.longestWait), user: 1)
  }

  private func saveSoon() {
    guard saveTimer == 0 else { return }
    let next = lastSave &+ Self.saveInterval
    if next <= host.now {
      save()
    } else {
      saveTimer = host.timer(at: next, user: 1)
    }
  }

  func save() {
    guard endWait() else { return }
    store.write(
      directory.inOrder(dhcp.remembered(port: port)), ipv6?.addresses(port: port),
      router: settings.router,
      routerMAC: stack.config.gatewayMAC)
  }

  /// Writes the leases when the network ends.
  func saveLast() {
    guard endWait() else { return }
    store.writeLast(
      directory.inOrder(dhcp.remembered(port: port)), ipv6?.addresses(port: port),
      router: settings.router,
      routerMAC: stack.config.gatewayMAC)
  }

  /// Cancels the timer of the next write; false without a switch's port, and so without leases.
  private func endWait() -> Bool {
    host.cancel(timer: saveTimer)
    saveTimer = 0
    guard port != 0 else { return false }
    lastSave = host.now
    return true
  }
}

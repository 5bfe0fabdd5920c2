// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 addresses in use by the stations of one link. Guests configure addresses themselves (RFC 4862, RFC 8981); the
// first station to claim an address has it, as in FCFS SAVI (RFC 6620). A probe (Duplicate Address Detection) claims an
// address, which is assigned to the station after a second without a contradiction; a source address in use is assigned at
// once if no other station has it. Addresses of DHCPv6 and of guests with a static configuration are assigned by `assign`.
//
// No message ends the use of an address. An address that was not seen for longer than guests keep it without a router
// advertisement is solicited, and removed if there is no answer. The numbers of addresses per station, guest and link are
// bounded; of a station beyond its bound the address seen longest ago is removed. A value without side effects; time is an
// argument, nanoseconds.

import Wire

package struct GuestAddresses {
  package enum Origin: String, Sendable {
    /// Configured by the guest itself (SLAAC).
    case autoconfigured = "auto"
    /// Leased by DHCPv6.
    case leased = "bound"
    /// Reserved for a guest that is configured by the host.
    case configured = "static"
  }

  package struct Entry: Hashable, Sendable {
    package var address: IPAddress
    package var mac: MACAddress
    package var origin: Origin
    /// Claimed, and not assigned yet.
    package var isTentative: Bool
    /// When it was assigned: of two otherwise equal addresses the earlier is the station's primary address.
    package var since: UInt64
    package var heard: UInt64
    /// When it ends unless renewed; nil: when it is not seen any more.
    package var expiry: UInt64?
    /// Restored from a previous process and not used by its station since.
    fileprivate var isRestored = false
    fileprivate var guest: UInt64
    fileprivate var asked: UInt8 = 0
    fileprivate var deadline: UInt64
  }

  /// How long another station may object to a claim. RFC 6620 §3.2.1 has half of it; guests may be slow.
  static let claimTime: UInt64 = 1_000_000_000
  /// How long guests keep an address without an advertisement; then the interval of solicitations, nanoseconds, and
  /// their number.
  static let silence: UInt64 = UInt64(RouterAdvertiser.validLifetime) * 1_000_000_000
  static let askInterval: UInt64 = 1_000_000_000
  static let maximumAsked: UInt8 = 3

  package static let perStation = 16
  package static let perGuest = 128
  package static let perLink = 4096
  /// Maximum number of addresses solicited at once, and nanoseconds until the next ones are.
  static let askedAtOnce = 256
  static let askPause: UInt64 = 1_000_000

  private var entries: [IPAddress: Entry] = [:]
  private var stations: [MACAddress: [IPAddress]] = [:]
  private var guests: [UInt64: Int] = [:]
  /// Stations whose addresses have changed since `takeChanges`.
  private var changed: Set<MACAddress> = []
  /// Lower bound of all entries' deadlines.
  package private(set) var nextDeadline: UInt64 = .max

  package init() {}

  package var count: Int { entries.count }
  /// All entries, sorted by address.
  package var all: [Entry] { entries.values.sorted { $0.address < $1.address } }
  package subscript(address: IPAddress) -> Entry? { entries[address] }

  /// A station's entries, the oldest first.
  package func entries(of mac: MACAddress) -> [Entry] {
    (stations[mac] ?? []).compactMap { entries[$0] }.sorted { $0.since < $1.since }
  }

  /// A station's primary address, by which it is listed. In order of preference: a leased address, a configured one, the
  /// one derived from the Ethernet address, the oldest (a system creates its stable address before temporary ones). A
  /// configured address that the station does not use while it uses others is passed over. Never link-local.
  package func primary(of mac: MACAddress) -> IPAddress? {
    let all = entries(of: mac).filter { !$0.isTentative && !$0.address.isLinkLocal }
    let made = all.filter { $0.origin == .autoconfigured }
    return
      (all.first { $0.origin == .leased }
      ?? all.first { $0.origin == .configured && (made.isEmpty || $0.heard > $0.since) }
      ?? made.first { $0.address.low == IPAddress.interfaceIdentifier(of: mac) }
      ?? made.first)?.address
  }

  /// Whether a station has any.
  func has(_ mac: MACAddress) -> Bool { stations[mac] != nil }

  /// A station's name has changed.
  mutating func renamed(_ mac: MACAddress) { changed.insert(mac) }

  /// Returns the stations whose addresses have changed since the last call.
  package mutating func takeChanges() -> Set<MACAddress> {
    defer { changed = [] }
    return changed
  }

  // MARK: Words of guests

  /// A station performs Duplicate Address Detection for an address (RFC 4862 §5.4).
  /// - Parameters:
  ///   - guest: the guest that the station belongs to, for its bound.
  ///   - mayReplace: whether the present owner may lose the address: it is gone, or of the same guest.
  package mutating func probed(
    _ address: IPAddress, by mac: MACAddress, guest: UInt64, now: UInt64,
    mayReplace: (MACAddress) -> Bool
  ) {
    if let known = entries[address] {
      if known.mac == mac { return touch(address, now) }
      // What is made of its Ethernet address nobody else has by right.
      guard
        address.isLinkLocal && address.interfaceMAC == mac
          || !known.isRestored && mayReplace(known.mac)
      else { return }
      remove(address)
    }
    insert(
      Entry(
        address: address, mac: mac, origin: .autoconfigured, isTentative: true, since: now,
        heard: now, guest: guest, deadline: now &+ Self.claimTime))
  }

  /// A station uses a source address, or advertises it. False if it is another station's.
  package mutating func heard(
    _ address: IPAddress, from mac: MACAddress, guest: UInt64, now: UInt64,
    mayReplace: (MACAddress) -> Bool
  ) -> Bool {
    if let known = entries[address] {
      if known.mac == mac {
        // The station's Duplicate Address Detection has ended: it must not use the address before (RFC 4862 §5.4).
        if known.isTentative {
          entries[address]?.isTentative = false
          changed.insert(mac)
        }
        touch(address, now)
        return true
      }
      // A tentative claim gives way to a station that uses the address.
      guard known.isTentative || !known.isRestored && mayReplace(known.mac) else { return false }
      remove(address)
    }
    insert(
      Entry(
        address: address, mac: mac, origin: .autoconfigured, isTentative: false, since: now,
        heard: now, guest: guest, deadline: now &+ Self.silence))
    return true
  }

  private mutating func touch(_ address: IPAddress, _ now: UInt64) {
    guard var entry = entries[address] else { return }
    // A configured address becomes the primary one when it is used for the first time.
    if entry.origin == .configured, entry.heard <= entry.since { changed.insert(entry.mac) }
    entry.heard = now
    entry.asked = 0
    entry.isRestored = false
    if !entry.isTentative, entry.expiry == nil { entry.deadline = now &+ Self.silence }
    entries[address] = entry
  }

  // MARK: Given addresses

  /// Assigns an address to a station.
  /// - Parameter expiry: nil for one without an end while the station is present.
  /// - Returns: false if another station has it.
  package mutating func assign(
    _ address: IPAddress, to mac: MACAddress, origin: Origin, guest: UInt64, expiry: UInt64?,
    now: UInt64, mayReplace: (MACAddress) -> Bool
  ) -> Bool {
    var entry = Entry(
      address: address, mac: mac, origin: origin, isTentative: false, since: now, heard: now,
      expiry: expiry, guest: guest, deadline: expiry ?? .max)
    if let known = entries[address] {
      guard
        known.mac == mac || known.isTentative || !known.isRestored && mayReplace(known.mac)
      else { return false }
      if known.mac == mac, !known.isTentative {
        entry.since = known.since
        entry.heard = known.heard
        if known.origin != origin { changed.insert(mac) }
        entries[address] = entry
        nextDeadline = min(nextDeadline, entry.deadline)
        return true
      }
      remove(address)
    }
    insert(entry)
    return entries[address] != nil
  }

  /// Assigns an address that the station had in a previous process. It is solicited at once, and removed without an answer;
  /// until then it is reserved for the station.
  package mutating func restore(_ address: IPAddress, to mac: MACAddress, now: UInt64) {
    guard entries[address] == nil else { return }
    insert(
      Entry(
        address: address, mac: mac, origin: .autoconfigured, isTentative: false, since: now,
        heard: now, isRestored: true, guest: mac.rawValue | 1 << 63,
        deadline: now &+ Self.askInterval))
  }

  /// A station released an address.
  package mutating func release(_ address: IPAddress, by mac: MACAddress) {
    if entries[address]?.mac == mac { remove(address) }
  }

  /// Removes stations with their addresses.
  package mutating func forget(_ gone: some Sequence<MACAddress>) {
    for mac in gone { for address in stations[mac] ?? [] { remove(address) } }
  }

  // MARK: Time

  /// Handles deadlines that have passed. Returns the addresses to solicit.
  package mutating func advance(now: UInt64) -> [Entry] {
    guard nextDeadline <= now else { return [] }
    var asked: [Entry] = []
    nextDeadline = .max
    for var entry in entries.values {
      if entry.deadline <= now {
        if entry.isTentative {
          entry.isTentative = false
          entry.deadline = now &+ Self.silence
          changed.insert(entry.mac)
        } else if entry.expiry != nil || entry.asked >= Self.maximumAsked {
          remove(entry.address)
          continue
        } else if asked.count < Self.askedAtOnce {
          entry.asked += 1
          entry.deadline = now &+ Self.askInterval
          asked.append(entry)
        } else {
          nextDeadline = min(nextDeadline, now &+ Self.askPause)
          continue
        }
        entries[entry.address] = entry
      }
      nextDeadline = min(nextDeadline, entry.deadline)
    }
    return asked
  }

  // MARK: Bounds

  private mutating func insert(_ entry: Entry) {
    guard makeRoom(for: entry) else { return }
    entries[entry.address] = entry
    stations[entry.mac, default: []].append(entry.address)
    guests[entry.guest, default: 0] += 1
    nextDeadline = min(nextDeadline, entry.deadline)
    changed.insert(entry.mac)
  }

  private mutating func remove(_ address: IPAddress) {
    guard let entry = entries.removeValue(forKey: address) else { return }
    stations[entry.mac]?.removeAll { $0 == address }
    if stations[entry.mac]?.isEmpty == true { stations[entry.mac] = nil }
    let left = (guests[entry.guest] ?? 1) - 1
    guests[entry.guest] = left > 0 ? left : nil
    changed.insert(entry.mac)
  }

  /// Makes room for an entry. Beyond the guest's bound, its address seen longest ago is removed, but no primary address,
  /// since traffic between known neighbors does not pass here. On a full link the same is done for the guest with the most
  /// addresses. False if there is no room.
  private mutating func makeRoom(for entry: Entry) -> Bool {
    let own = stations[entry.mac] ?? []
    if own.count >= Self.perStation || (guests[entry.guest] ?? 0) >= Self.perGuest {
      let lasting = primary(of: entry.mac)
      guard let old = oldest(own.filter { $0 != lasting }.compactMap { entries[$0] }) else {
        return false
      }
      remove(old)
    } else if entries.count >= Self.perLink {
      guard let most = guests.max(by: { $0.value < $1.value })?.key,
        let old = oldest(entries.values.filter { $0.guest == most })
      else { return false }
      remove(old)
    }
    return true
  }

  private func oldest(_ entries: [Entry]) -> IPAddress? {
    entries.filter { $0.origin == .autoconfigured }.min { $0.heard < $1.heard }?.address
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Which IPv6 addresses the stations of one link use. Guests make them by themselves (RFC 4862, RFC 8981), so who comes
// first has one, as RFC 6620 (FCFS SAVI) has it: a probe (Duplicate Address Detection) claims an address, and after a
// second in which nobody else spoke of it, it is the station's; so is what a station speaks under and nobody else has.
// Addresses of DHCPv6, and those of guests configured by hand, are told instead.
//
// Addresses come and go without a word. One that was not heard for longer than guests keep it without an advertisement
// is asked for, and goes when nobody answers. Bounded for each station, guest and link: of a station that makes up
// more, the one heard longest ago goes. A value without side effects; time is an argument, nanoseconds.

import Wire

package struct GuestAddresses {
  package enum Origin: String, Sendable {
    /// The guest made it.
    case autoconfigured = "auto"
    /// By DHCPv6.
    case leased = "bound"
    /// Given to a guest that is configured by the host.
    case configured = "static"
  }

  package struct Entry: Hashable, Sendable {
    package var address: IPAddress
    package var mac: MACAddress
    package var origin: Origin
    /// Not the station's yet.
    package var isTentative: Bool
    /// What brings it about that the station is known by this address rather than by a later one.
    package var since: UInt64
    package var heard: UInt64
    /// When it is over without being renewed; nil: when it is not heard any more.
    package var expiry: UInt64?
    /// Known from the process before, and its station has not spoken under it yet.
    fileprivate var isRestored = false
    fileprivate var guest: UInt64
    fileprivate var asked: UInt8 = 0
    fileprivate var deadline: UInt64
  }

  /// How long a claim is open to others' objection (RFC 6620 §3.2.1 is half of it; guests may be slow).
  static let claimTime: UInt64 = 1_000_000_000
  /// How long guests keep an address that no advertisement renews, and how they are asked whether they have it still.
  static let silence: UInt64 = UInt64(RouterAdvertiser.validLifetime) * 1_000_000_000
  static let askInterval: UInt64 = 1_000_000_000
  static let maximumAsked: UInt8 = 3

  package static let perStation = 16
  package static let perGuest = 128
  package static let perLink = 4096
  /// Addresses asked for at once, and nanoseconds until more are.
  static let askedAtOnce = 256
  static let askPause: UInt64 = 1_000_000

  private var entries: [IPAddress: Entry] = [:]
  private var stations: [MACAddress: [IPAddress]] = [:]
  private var guests: [UInt64: Int] = [:]
  /// Stations that got, lost or changed an address since `takeChanges`.
  private var changed: Set<MACAddress> = []
  /// No entry has its deadline before this.
  package private(set) var nextDeadline: UInt64 = .max

  package init() {}

  package var count: Int { entries.count }
  /// In order of addresses.
  package var all: [Entry] { entries.values.sorted { $0.address < $1.address } }
  package subscript(address: IPAddress) -> Entry? { entries[address] }

  /// What a station has, the oldest first.
  package func entries(of mac: MACAddress) -> [Entry] {
    (stations[mac] ?? []).compactMap { entries[$0] }.sorted { $0.since < $1.since }
  }

  /// The one address by which a station is known: a leased one first, then one it was given, then the one that is made of
  /// its Ethernet address, then the oldest: a system makes its lasting address before a temporary one. What a station
  /// was given, and does not speak under while it does under others, it does not use. Link-local ones are none.
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

  /// A station is known by another name.
  mutating func renamed(_ mac: MACAddress) { changed.insert(mac) }

  /// Stations whose addresses are not what they were at the last call.
  package mutating func takeChanges() -> Set<MACAddress> {
    defer { changed = [] }
    return changed
  }

  // MARK: Words of guests

  /// A station looks whether anybody has an address (RFC 4862 §5.4).
  /// - Parameters:
  ///   - guest: whose station it is: what is bounded together.
  ///   - mayReplace: whether who has it now may be passed over: gone, or the same guest.
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

  /// A station speaks under an address, or of it as its own. False when it is another's.
  package mutating func heard(
    _ address: IPAddress, from mac: MACAddress, guest: UInt64, now: UInt64,
    mayReplace: (MACAddress) -> Bool
  ) -> Bool {
    if let known = entries[address] {
      if known.mac == mac {
        // Its claim is through: nobody speaks under an address before (RFC 4862 §5.4).
        if known.isTentative {
          entries[address]?.isTentative = false
          changed.insert(mac)
        }
        touch(address, now)
        return true
      }
      // Who only claims it gives way to who has it.
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
    // What a station was given, and speaks under for the first time, is what it is known by.
    if entry.origin == .configured, entry.heard <= entry.since { changed.insert(entry.mac) }
    entry.heard = now
    entry.asked = 0
    entry.isRestored = false
    if !entry.isTentative, entry.expiry == nil { entry.deadline = now &+ Self.silence }
    entries[address] = entry
  }

  // MARK: Given addresses

  /// - Parameter expiry: nil for one that holds as long as the station is there.
  /// - Returns: false when another station has it.
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

  /// A station had the address in the process before. It is asked for it from now on, and it goes when nobody answers;
  /// until then nobody else gets it, though nothing was heard of the station yet.
  package mutating func restore(_ address: IPAddress, to mac: MACAddress, now: UInt64) {
    guard entries[address] == nil else { return }
    insert(
      Entry(
        address: address, mac: mac, origin: .autoconfigured, isTentative: false, since: now,
        heard: now, isRestored: true, guest: mac.rawValue | 1 << 63,
        deadline: now &+ Self.askInterval))
  }

  /// A station gave an address back.
  package mutating func release(_ address: IPAddress, by mac: MACAddress) {
    if entries[address]?.mac == mac { remove(address) }
  }

  /// Stations are gone, and their addresses with them.
  package mutating func forget(_ gone: some Sequence<MACAddress>) {
    for mac in gone { for address in stations[mac] ?? [] { remove(address) } }
  }

  // MARK: Time

  /// What became due. Returns the addresses that are to be asked for.
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

  /// Whether there is room now: of what the guest itself has the one heard longest ago goes, but not the one that it is known
  /// by, since packets of neighbors that are known are not heard here; and where the link is full, of what the guest has
  /// that has most.
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

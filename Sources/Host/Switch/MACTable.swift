// SPDX-License-Identifier: Apache-2.0
//
// The forwarding table: the port on which each address was last seen. Bounded in total and per port, so that a guest
// that invents addresses evicts only its own; an address not seen for five minutes is unknown again (IEEE 802.1Q,
// 8.8.3).
//
// The plugin's port is treated like any other: its source addresses are learned, age and move. Only addresses that
// the plugin declares its own are pinned. An address whose port was removed is kept as `gone` for five minutes, so
// that frames still addressed to it are not flooded.
//
// Open addressing with linear probing and backward-shift deletion; no allocation
// after init. Addresses are 48 bits in a UInt64, first byte highest; 0 is free.
//
// Thread: loop only.

struct MACTable: ~Copyable {
  /// The plugin's port, which has no entry in the port table.
  static let plugin: Int32 = -1
  /// The port of an address whose port was removed.
  static let gone: Int32 = -2

  struct Entry {
    var address: UInt64 = 0
    var port: Int32 = 0
    /// Seconds of the clock given to `learn`.
    var seen: UInt32 = 0
    /// From the configuration, or the plugin's own: does not age or move.
    var isPinned = false
    /// A frame from it was received.
    var isHeard = false
    /// An IP address is bound to it: it moves only after it was silent for `contest`, and for `patience` more since
    /// the switch asked its station.
    var isBound = false
    /// When another port first claimed it without a frame from this port since, seconds; 0: no claim.
    var claimed: UInt32 = 0
  }

  enum Learned: Equatable {
    case known, new, moved, refused, full
    /// As `refused`, and the caller asks the station behind this port whether it is still there.
    case contested(holder: Int32)
  }

  static let age: UInt32 = 300
  /// Silence after which a bound address may be contested, seconds.
  static let contest: UInt32 = 2
  /// How long a station may take to answer, and the interval between questions, seconds.
  static let patience: UInt32 = 2
  private static let oblivion: UInt32 = 10
  /// With port security: what is beyond them sends nothing.
  static let securePortLimit: Int32 = 256
  private static let slots = 8192
  private static let limit = 4096

  private let entries: UnsafeMutablePointer<Entry>
  private let perPort: UnsafeMutablePointer<Int32>
  private let portLimit: Int32
  private let portCount: Int
  /// Slots in use, and how many of them are `gone`.
  private var used = 0
  private var departed = 0
  /// Number of addresses behind a port.
  var count: Int { used - departed }
  private var swept = UInt32.max
  /// An address that is behind a guest's port stays there until that has gone (PortSecurity).
  var isSecure = false

  /// - Parameter ports: number of port indices.
  init(ports: Int, portLimit: Int = 512) {
    entries = .allocate(capacity: Self.slots)
    entries.initialize(repeating: Entry(), count: Self.slots)
    perPort = .allocate(capacity: ports)
    perPort.initialize(repeating: 0, count: ports)
    portCount = ports
    self.portLimit = Int32(portLimit)
  }

  deinit {
    entries.deallocate()
    perPort.deallocate()
  }

  /// The port, or `gone`; nil when unknown or aged out.
  @inline(__always) func port(of address: UInt64, now: UInt32) -> Int32? {
    guard let slot = find(address) else { return nil }
    let entry = entries[slot]
    return entry.isPinned || now &- entry.seen <= Self.age ? entry.port : nil
  }

  /// The port of the last frame, regardless of age; `gone`, or nil when unknown.
  @inline(__always) func lastPort(of address: UInt64) -> Int32? {
    find(address).map { entries[$0].port }
  }

  /// Records that `address` sent from `port`. Refused when another port keeps the address, or (the plugin's port) it
  /// was seen elsewhere a moment ago: a frame that the plugin returns is no move.
  @inline(__always)
  mutating func learn(_ address: UInt64, on port: Int32, now: UInt32) -> Learned {
    guard let slot = find(address) else { return insert(address, port, now, isHeard: true) }
    if entries[slot].port == port {
      entries[slot].seen = now
      entries[slot].claimed = 0
      if entries[slot].isHeard { return .known }
      entries[slot].isHeard = true
      return .new
    }
    return move(slot, to: port, now)
  }

  /// Pins an address to a port until the port is removed, or to the plugin until `unpin`. False when it is pinned
  /// elsewhere, or there is no room.
  @discardableResult
  mutating func pin(_ address: UInt64, to port: Int32, now: UInt32) -> Bool {
    if let slot = find(address) {
      if entries[slot].isPinned { return entries[slot].port == port }
      if entries[slot].port != port {
        guard place(slot, port, now) != .full else { return false }
        entries[slot].isHeard = false
      }
    } else if insert(address, port, now, isHeard: false) != .new {
      return false
    }
    if let slot = find(address) { entries[slot].isPinned = true }
    return true
  }

  /// Removes an address of the plugin's.
  mutating func unpin(_ address: UInt64) {
    guard let slot = find(address), entries[slot].port == Self.plugin else { return }
    remove(slot)
  }

  /// Moves a contested address without waiting for an answer.
  mutating func concede(_ address: UInt64, to port: Int32, now: UInt32) -> Learned {
    guard let slot = find(address) else { return .refused }
    return place(slot, port, now)
  }

  /// Sets whether an IP address is bound to it. Ignored for an unknown address.
  mutating func setBound(_ address: UInt64, _ isBound: Bool) {
    if let slot = find(address) { entries[slot].isBound = isBound }
  }

  mutating func forget(_ address: UInt64) {
    if let slot = find(address) { remove(slot) }
  }

  /// The port was removed: its addresses become `gone`.
  mutating func depart(port: Int32, now: UInt32) {
    for slot in 0..<Self.slots where entries[slot].address != 0 && entries[slot].port == port {
      countPort(port, -1)
      departed += 1
      entries[slot] = Entry(
        address: entries[slot].address, port: Self.gone, seen: now,
        isBound: entries[slot].isBound)
    }
    if departed > Self.limit / 2 { removeAll { $0.port == Self.gone } }
  }

  /// All current entries, unordered.
  func all(now: UInt32) -> [(address: UInt64, port: Int32)] {
    var known: [(address: UInt64, port: Int32)] = []
    for slot in 0..<Self.slots where entries[slot].address != 0 {
      let entry = entries[slot]
      if entry.port != Self.gone, entry.isPinned || now &- entry.seen <= Self.age {
        known.append((entry.address, entry.port))
      }
    }
    return known
  }

  private mutating func move(_ slot: Int, to port: Int32, _ now: UInt32) -> Learned {
    let entry = entries[slot]
    if entry.isPinned { return .refused }
    if entry.port == Self.gone { return place(slot, port, now) == .moved ? .new : .full }
    if isSecure, entry.port >= 0, port >= 0, entry.isBound || now &- entry.seen <= Self.age {
      return .refused
    }
    let isRecent = now &- entry.seen < Self.contest
    if port == Self.plugin, isRecent { return .refused }
    if entry.isBound {
      if isRecent { return .refused }
      if entry.claimed == 0 || now &- entry.claimed > Self.oblivion {
        entries[slot].claimed = max(now, 1)
        return .contested(holder: entry.port)
      }
      if now &- entry.claimed < Self.patience { return .refused }
    }
    return place(slot, port, now)
  }

  private mutating func place(_ slot: Int, _ port: Int32, _ now: UInt32) -> Learned {
    guard admit(port) else { return .full }
    if entries[slot].port == Self.gone { departed -= 1 }
    countPort(entries[slot].port, -1)
    countPort(port, 1)
    entries[slot].port = port
    entries[slot].seen = now
    entries[slot].isPinned = false
    entries[slot].isHeard = true
    entries[slot].claimed = 0
    return .moved
  }

  private mutating func insert(
    _ address: UInt64, _ port: Int32, _ now: UInt32, isHeard: Bool
  ) -> Learned {
    if used >= Self.limit || !admit(port), !hasSwept(port, now) { return .full }
    var slot = Self.home(address)
    while entries[slot].address != 0 { slot = (slot &+ 1) & (Self.slots &- 1) }
    entries[slot] = Entry(address: address, port: port, seen: now, isHeard: isHeard)
    used += 1
    countPort(port, 1)
    return .new
  }

  /// Removes aged entries; returns whether there is room then. Bound addresses stay: their stations may be silent for
  /// long.
  private mutating func hasSwept(_ port: Int32, _ now: UInt32) -> Bool {
    // At most once a second: it scans the whole table.
    guard now != swept else { return false }
    swept = now
    let isFull = used >= Self.limit
    removeAll {
      !$0.isPinned && !$0.isBound && $0.port != Self.gone && now &- $0.seen > Self.age
        || isFull && $0.port == Self.gone
    }
    return used < Self.limit && admit(port)
  }

  private func admit(_ port: Int32) -> Bool {
    port == Self.plugin
      || (Int(port) < portCount
        && perPort[Int(port)] < (isSecure ? Self.securePortLimit : portLimit))
  }

  private func countPort(_ port: Int32, _ change: Int32) {
    if port >= 0, Int(port) < portCount { perPort[Int(port)] &+= change }
  }

  @inline(__always) private func find(_ address: UInt64) -> Int? {
    var slot = Self.home(address)
    while entries[slot].address != 0 {
      if entries[slot].address == address { return slot }
      slot = (slot &+ 1) & (Self.slots &- 1)
    }
    return nil
  }

  private mutating func removeAll(where matches: (Entry) -> Bool) {
    var slot = 0
    while slot < Self.slots {
      if entries[slot].address != 0, matches(entries[slot]) {
        remove(slot)  // another entry may have moved here: look again
      } else {
        slot += 1
      }
    }
  }

  private mutating func remove(_ index: Int) {
    if entries[index].port == Self.gone { departed -= 1 }
    countPort(entries[index].port, -1)
    used -= 1
    var hole = index
    var next = index
    while true {
      next = (next &+ 1) & (Self.slots &- 1)
      guard entries[next].address != 0 else { break }
      let home = Self.home(entries[next].address)
      // Movable when its home slot does not lie between the hole and it.
      if (next &- home) & (Self.slots &- 1) >= (next &- hole) & (Self.slots &- 1) {
        entries[hole] = entries[next]
        hole = next
      }
    }
    entries[hole] = Entry()
  }

  @inline(__always) private static func home(_ address: UInt64) -> Int {
    Int(truncatingIfNeeded: (address &* 0x9e37_79b9_7f4a_7c15) >> 40) & (slots &- 1)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Which port an address was last seen on. Bounded in all and per port, so that
// one guest that makes up addresses forgets its own only; an address not heard of
// for five minutes is unknown again (IEEE 802.1Q, 8.8.3).
//
// The plugin's port is one like the others: what it sends from is learned there, ages and moves.
// Only what it declares its own is kept for it. An address whose port has gone is remembered as
// gone for five minutes, so that what is still on its way to it does not reach everybody.
//
// Open addressing with linear probing and backward-shift deletion; no allocation
// after init. Addresses are 48 bits in a UInt64, first byte highest; 0 is free.
//
// Thread: loop only.

struct MACTable: ~Copyable {
  /// The plugin, which is no port of the table of ports.
  static let plugin: Int32 = -1
  /// The place of an address whose port has gone.
  static let gone: Int32 = -2

  struct Entry {
    var address: UInt64 = 0
    var port: Int32 = 0
    /// Seconds of the clock given to `learn`.
    var seen: UInt32 = 0
    /// Said by the configuration, or the plugin's own: does not age, and moves to nobody.
    var isPinned = false
    /// Something came from it.
    var isHeard = false
    /// An IP address is bound to it: moves only when it has been silent for `contest`, and for
    /// `patience` more since it was asked for.
    var isBound = false
    /// Since when another port claims it, and nothing came from this one; 0: none does.
    var claimed: UInt32 = 0
  }

  enum Learned: Equatable {
    case known, new, moved, refused, full
    /// As `refused`, but ask the station behind this port whether it is there.
    case contested(holder: Int32)
  }

  static let age: UInt32 = 300
  /// How long a bound address is kept from other ports after it was heard of, seconds.
  static let contest: UInt32 = 2
  /// How long a station may take to answer, and after which time it is asked anew.
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
  /// Slots in use, and those of them whose address is gone.
  private var used = 0
  private var departed = 0
  /// Addresses that are somewhere.
  var count: Int { used - departed }
  private var swept = UInt32.max
  /// An address that is behind a guest's port stays there until that has gone (PortSecurity).
  var isSecure = false

  /// - Parameter ports: port indices are below it.
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

  /// The port, or `gone`, or nil when unknown or not heard of for long.
  @inline(__always) func port(of address: UInt64, now: UInt32) -> Int32? {
    guard let slot = find(address) else { return nil }
    let entry = entries[slot]
    return entry.isPinned || now &- entry.seen <= Self.age ? entry.port : nil
  }

  /// The port it was last seen on, however long ago that was; `gone`, or nil when unknown.
  @inline(__always) func lastPort(of address: UInt64) -> Int32? {
    find(address).map { entries[$0].port }
  }

  /// Notes that `address` sent from `port`. Refused: it belongs to somebody who
  /// keeps it, or (the plugin's port) was heard a moment ago: what comes back is no move.
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

  /// Ties an address to a port until that is gone, or to the plugin until `unpin`. False when it
  /// is tied already, to another, or there is no room.
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

  /// What the plugin declared its own is nobody's again.
  mutating func unpin(_ address: UInt64) {
    guard let slot = find(address), entries[slot].port == Self.plugin else { return }
    remove(slot)
  }

  /// Moves an address that is contested, without waiting for an answer.
  mutating func concede(_ address: UInt64, to port: Int32, now: UInt32) -> Learned {
    guard let slot = find(address) else { return .refused }
    return place(slot, port, now)
  }

  /// Says whether an IP address is bound to it. Nothing when it is unknown.
  mutating func setBound(_ address: UInt64, _ isBound: Bool) {
    if let slot = find(address) { entries[slot].isBound = isBound }
  }

  mutating func forget(_ address: UInt64) {
    if let slot = find(address) { remove(slot) }
  }

  /// The port has gone, and with it the addresses behind it.
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

  /// What it knows, in no order.
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

  /// Makes room where old addresses take it; whether there is some then. What is bound stays: its
  /// station may be silent for long.
  private mutating func hasSwept(_ port: Int32, _ now: UInt32) -> Bool {
    // At most once a second: it looks at the whole table.
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
      // Movable when its home does not lie between the hole and it.
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

// SPDX-License-Identifier: Apache-2.0
//
// Which port an address was last seen on. Bounded in all and per port, so that
// one guest that makes up addresses forgets its own only; an address not heard of
// for five minutes is unknown again (IEEE 802.1Q, 8.8.3).
//
// Open addressing with linear probing and backward-shift deletion; no allocation
// after init. Addresses are 48 bits in a UInt64, first byte highest; 0 is free.
//
// Thread: loop only.

struct MACTable: ~Copyable {
  /// The plugin, which is no port of the table of ports.
  static let plugin: Int32 = -1

  struct Entry {
    var address: UInt64 = 0
    var port: Int32 = 0
    /// Seconds of the clock given to `learn`.
    var seen: UInt32 = 0
    /// Said by the configuration: does not age, and moves to nobody.
    var isPinned = false
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
  private static let slots = 8192
  private static let limit = 4096

  private let entries: UnsafeMutablePointer<Entry>
  private let perPort: UnsafeMutablePointer<Int32>
  private let portLimit: Int32
  private let portCount: Int
  private(set) var count = 0
  private var swept = UInt32.max

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

  /// The port, or nil when unknown or not heard of for long.
  @inline(__always) func port(of address: UInt64, now: UInt32) -> Int32? {
    guard let slot = find(address) else { return nil }
    let entry = entries[slot]
    return entry.isPinned || now &- entry.seen <= Self.age ? entry.port : nil
  }

  /// Notes that `address` sent from `port`. Refused: it belongs to somebody who
  /// keeps it. What belongs to the plugin, guests cannot take.
  @inline(__always)
  mutating func learn(_ address: UInt64, on port: Int32, now: UInt32) -> Learned {
    guard let slot = find(address) else { return insert(address, port, now, pinned: false) }
    if entries[slot].port == port {
      entries[slot].seen = now
      entries[slot].claimed = 0
      return .known
    }
    return move(slot, to: port, now)
  }

  /// Ties an address to a port until `forget(port:)`.
  mutating func pin(_ address: UInt64, to port: Int32, now: UInt32) {
    guard let slot = find(address) else {
      _ = insert(address, port, now, pinned: true)
      return
    }
    guard !entries[slot].isPinned, entries[slot].port != Self.plugin else { return }
    _ = move(slot, to: port, now)
    entries[slot].isPinned = true
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

  /// Forgets all addresses of a port.
  mutating func forget(port: Int32) {
    removeAll { $0.port == port }
  }

  /// What it knows, in no order.
  func all(now: UInt32) -> [(address: UInt64, port: Int32)] {
    var known: [(address: UInt64, port: Int32)] = []
    for slot in 0..<Self.slots where entries[slot].address != 0 {
      let entry = entries[slot]
      if entry.isPinned || now &- entry.seen <= Self.age {
        known.append((entry.address, entry.port))
      }
    }
    return known
  }

  private mutating func move(_ slot: Int, to port: Int32, _ now: UInt32) -> Learned {
    let entry = entries[slot]
    let isFresh = entry.isPinned || now &- entry.seen <= Self.age
    if port != Self.plugin, isFresh, entry.isPinned || entry.port == Self.plugin {
      return .refused
    }
    if entry.isBound, port != Self.plugin {
      if now &- entry.seen < Self.contest { return .refused }
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
    countPort(entries[slot].port, -1)
    countPort(port, 1)
    entries[slot].port = port
    entries[slot].seen = now
    entries[slot].isPinned = false
    entries[slot].claimed = 0
    return .moved
  }

  private mutating func insert(
    _ address: UInt64, _ port: Int32, _ now: UInt32, pinned: Bool
  ) -> Learned {
    if count >= Self.limit || !admit(port) {
      // At most once a second: it looks at the whole table.
      guard now != swept else { return .full }
      swept = now
      removeAll { !$0.isPinned && now &- $0.seen > Self.age }
      guard count < Self.limit, admit(port) else { return .full }
    }
    var slot = Self.home(address)
    while entries[slot].address != 0 { slot = (slot &+ 1) & (Self.slots &- 1) }
    entries[slot] = Entry(address: address, port: port, seen: now, isPinned: pinned)
    count += 1
    countPort(port, 1)
    return .new
  }

  private func admit(_ port: Int32) -> Bool {
    port == Self.plugin || (Int(port) < portCount && perPort[Int(port)] < portLimit)
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
    countPort(entries[index].port, -1)
    count -= 1
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

// SPDX-License-Identifier: Apache-2.0
//
// The table of lnd_port handles and their ports. A handle is generation << 32 | index + 1, so that a stale one is
// detected. A look-up costs a load and a compare, and no retain: the table keeps its ports alive.
//
// Thread: loop only.

import PluginAPI

struct PortTable: ~Copyable {
  private struct Slot {
    var port: Unmanaged<Port>?
    var generation: UInt32
  }

  private let slots: UnsafeMutablePointer<Slot>
  let capacity: Int
  private(set) var count = 0
  /// Upper bound (exclusive) of the indices in use.
  private(set) var bound = 0

  init(capacity: Int) {
    self.capacity = capacity
    slots = .allocate(capacity: capacity)
    slots.initialize(repeating: Slot(port: nil, generation: 1), count: capacity)
  }

  deinit {
    for i in 0..<capacity { slots[i].port?.release() }
    slots.deallocate()
  }

  /// The index, or nil when all slots are taken. Sets `port.handle`.
  mutating func add(_ port: Port) -> Int? {
    guard let index = (0..<capacity).first(where: { slots[$0].port == nil }) else { return nil }
    slots[index].port = Unmanaged.passRetained(port)
    port.handle = UInt64(slots[index].generation) << 32 | UInt64(index + 1)
    count += 1
    bound = max(bound, index + 1)
    return index
  }

  mutating func remove(_ index: Int) {
    guard let port = slots[index].port else { return }
    slots[index].port = nil
    // 31 bits: the top bit of a handle marks the switch's own port.
    slots[index].generation = (slots[index].generation &+ 1) & 0x7fff_ffff
    count -= 1
    while bound > 0, slots[bound - 1].port == nil { bound -= 1 }
    port.release()
  }

  @inline(__always) subscript(index: Int) -> Unmanaged<Port>? { slots[index].port }

  /// The index of a valid handle; nil for a stale one.
  @inline(__always) func index(of handle: lnd_port) -> Int? {
    let index = Int(handle & 0xffff_ffff) &- 1
    guard index >= 0, index < capacity, slots[index].port != nil,
      slots[index].generation == UInt32(handle >> 32)
    else { return nil }
    return index
  }
}

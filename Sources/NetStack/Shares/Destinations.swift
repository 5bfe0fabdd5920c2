// SPDX-License-Identifier: Apache-2.0
//
// Number of connections to each remote endpoint, of all guests and of each: the kernel has a limited number of local ports
// for one endpoint. O(1). Thread: loop only.

import Wire

/// Connection counts by remote endpoint.
struct Destinations: ~Copyable {
  private struct Count: BitwiseCopyable {
    /// The first field, as FlowTable requires: the remote endpoint, with the share in `link`.
    var key: FlowKey
    var count: UInt32
  }

  /// The pseudo share that counts all shares together.
  private static let all = UInt32.max
  private var slab: Slab<Count>
  private var table: FlowTable

  /// - Parameter capacity: maximum number of connections.
  init(capacity: Int, seed: UInt64) {
    slab = Slab(capacity: 2 * capacity)
    table = FlowTable(slab: slab, seed: seed)
  }

  /// Number of pairs of endpoint and share that are counted.
  var count: Int { slab.count }

  /// Whether a guest may have one more connection to the remote endpoint of `key` if `limit` are possible in total: while
  /// it has fewer than four times the number that are free. A single guest gets four fifths; a later one always finds some
  /// free.
  func admits(_ share: UInt32, _ key: FlowKey, limit: Int) -> Bool {
    let free = limit &- held(Self.all, key)
    return held(share, key) / 4 < free
  }

  mutating func took(_ share: UInt32, _ key: FlowKey) {
    add(1, Self.key(share, key))
    add(1, Self.key(Self.all, key))
  }

  mutating func gave(_ share: UInt32, _ key: FlowKey) {
    add(-1, Self.key(share, key))
    add(-1, Self.key(Self.all, key))
  }

  private static func key(_ share: UInt32, _ key: FlowKey) -> FlowKey {
    FlowKey(
      link: share, proto: IPProtocol.tcp, guest: .anyV4, guestPort: 0, remote: key.remote,
      remotePort: key.remotePort)
  }

  private func held(_ share: UInt32, _ key: FlowKey) -> Int {
    let index = table.find(Self.key(share, key))
    return index == 0 ? 0 : Int(slab.pointer(index).pointee.count)
  }

  private mutating func add(_ change: Int32, _ key: FlowKey) {
    var index = table.find(key)
    if index == 0 {
      guard change > 0 else { return }
      index = slab.insert(Count(key: key, count: 0))
      guard index != 0 else { return }
      table.insert(index)
    }
    let count = slab.pointer(index)
    count.pointee.count = UInt32(bitPattern: Int32(bitPattern: count.pointee.count) &+ change)
    guard count.pointee.count == 0 else { return }
    table.remove(index)
    slab.remove(index)
  }
}

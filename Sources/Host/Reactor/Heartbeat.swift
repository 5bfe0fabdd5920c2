// SPDX-License-Identifier: Apache-2.0
//
// Heartbeat: the loop's side of HeartbeatLayout: one store before and after each wait, and two around each callback
// of a plugin. Thread: loop only.

import HostProtocol
import Synchronization

package struct Heartbeat {
  /// A callback, and the heartbeat's slot of its plugin.
  struct Callback {
    var plugin: UInt64 = 0
    var name: UnsafePointer<UInt8>?
    var length = 0
  }

  /// Valid until the process ends.
  private let page: UnsafeMutableRawPointer
  private let running: UnsafeMutablePointer<Callback>

  /// - Parameter page: `HeartbeatLayout.size` bytes shared with the supervisor, mapped until the process ends; nil:
  ///   private memory, which is written nevertheless.
  package init(page: UnsafeMutableRawPointer? = nil) {
    if let page {
      self.page = page
    } else {
      self.page = .allocate(byteCount: HeartbeatLayout.size, alignment: 64)
      self.page.initializeMemory(as: UInt8.self, repeating: 0, count: HeartbeatLayout.size)
    }
    running = .allocate(capacity: 1)
    running.initialize(to: Callback())
    store(HeartbeatLayout.version, HostProtocolVersion.current)
  }

  // MARK: Iterations

  @inline(__always) func waits(turn: UInt64) { store(HeartbeatLayout.beat, (turn &+ 1) << 1) }

  @inline(__always) func works(turn: UInt64) { store(HeartbeatLayout.beat, (turn &+ 1) << 1 | 1) }

  func countRequest() {
    store(
      HeartbeatLayout.requests,
      atomic(HeartbeatLayout.requests).pointee.load(ordering: .relaxed) &+ 1)
  }

  // MARK: Callbacks

  /// - Parameter number: counts plugins; a slot of one that was replaced may be used again.
  /// - Returns: the slot, counted from 1.
  func addPlugin(_ label: String, number: Int) -> UInt64 {
    let slot = number % HeartbeatLayout.labels
    let place = page + HeartbeatLayout.plugins + slot * HeartbeatLayout.labelSize
    let bytes = Array(label.utf8.prefix(HeartbeatLayout.labelSize - 1)) + [0]
    bytes.withUnsafeBytes {
      place.copyMemory(from: $0.baseAddress.unsafelyUnwrapped, byteCount: $0.count)
    }
    return UInt64(slot) + 1
  }

  /// Records that a callback begins. Returns the one from which it was called, for `leave`.
  @inline(__always)
  func enter(_ plugin: UInt64, _ name: StaticString) -> Callback {
    let outer = running.pointee
    show(Callback(plugin: plugin, name: name.utf8Start, length: name.utf8CodeUnitCount))
    return outer
  }

  @inline(__always)
  func leave(for outer: Callback) {
    guard outer.plugin == 0 else { return show(outer) }
    running.pointee.plugin = 0
    store(HeartbeatLayout.plugin, 0)
  }

  @inline(__always)
  private func show(_ callback: Callback) {
    running.pointee = callback
    let count = min(callback.length, HeartbeatLayout.nameSize - 1)
    let place = page + HeartbeatLayout.callback
    if let name = callback.name { place.copyMemory(from: name, byteCount: count) }
    place.storeBytes(of: 0, toByteOffset: count, as: UInt8.self)
    store(HeartbeatLayout.plugin, callback.plugin)
  }

  @inline(__always)
  private func store(_ offset: Int, _ value: UInt64) {
    atomic(offset).pointee.store(value, ordering: .releasing)
  }

  @inline(__always)
  private func atomic(_ offset: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    (page + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
  }
}

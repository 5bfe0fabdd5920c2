// SPDX-License-Identifier: Apache-2.0
//
// An isolated network: guests cannot reach each other. A port's frames go directly to the plugin's own functions.
//
// Thread: loop only.

import PluginAPI

package final class IsolatedBinding {
  private var ports: PortTable
  private let plugin: FrameReceiver
  /// Frames sent to removed ports.
  package private(set) var stale: UInt64 = 0
  /// Called for a plugin's frame that violates the rules of lnd_frame; it was dropped.
  package var onMalformed: ((UnsafePointer<lnd_frame>) -> Void)?

  /// - Parameter plugin: called with the handles that `attach` returns.
  package init(plugin: FrameReceiver, limit: Int = 1024) {
    self.plugin = plugin
    ports = PortTable(capacity: limit)
  }

  /// The port's handle (also in `port.handle`), or nil at the limit. Frames flow from now on: call the plugin's
  /// `port_up` before the loop continues.
  package func attach(_ port: Port) -> lnd_port? {
    guard ports.add(port) != nil else { return nil }
    port.receiver = plugin
    return port.handle
  }

  /// Idempotent. The caller closes the port.
  package func detach(_ port: Port) {
    guard let index = ports.index(of: port.handle) else { return }
    port.receiver = .discard
    ports.remove(index)
  }

  package func port(_ handle: lnd_port) -> Port? {
    ports.index(of: handle).flatMap { ports[$0]?.takeUnretainedValue() }
  }

  /// `lnd_host.send`.
  package func send(
    _ handle: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32
  ) -> UInt32 {
    guard let index = ports.index(of: handle), let port = ports[index] else {
      stale &+= UInt64(count)
      return count
    }
    return port._withUnsafeGuaranteedRef { port in
      let before = port.counters.txMalformed
      let taken = port.send(frames, Int(count))
      if port.counters.txMalformed != before { tellMalformed(frames, taken) }
      return UInt32(truncatingIfNeeded: taken)
    }
  }

  /// Reports the first of a plugin's frames that violates a rule.
  private func tellMalformed(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    for i in 0..<count where (frames + i).fault != nil { return onMalformed?(frames + i) ?? () }
    // The GSO fields contradict the headers.
    for i in 0..<count where frames[i].gso_type != 0 { return onMalformed?(frames + i) ?? () }
  }
}

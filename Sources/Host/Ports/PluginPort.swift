// SPDX-License-Identifier: Apache-2.0
//
// An uplink whose other side is the plugin (LND_UPLINK_PLUGIN), without a descriptor. Frames that the switch sends to
// it are passed to the plugin's `rx`; frames that the plugin sends on it enter the switch (Switch+Plugin.swift).
// Thread: loop only.

import PluginAPI

package final class PluginPort: Port {
  private let plugin: FrameReceiver
  private let plain: PlainFrames
  /// Whether the plugin is inside a call into the host: frames for the plugin are then its own.
  package var pluginIsCalling: () -> Bool = { false }

  /// - Parameter offloads: LND_OFFLOAD_* that the plugin supports.
  package init(
    _ options: PortOptions, offloads: UInt32, plugin: FrameReceiver, memory: PortMemory
  ) {
    self.plugin = plugin
    plain = PlainFrames()
    super.init(options, fd: -1, ownsFD: false, offloads: offloads, memory: memory)
  }

  override func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    guard !pluginIsCalling() else { return count }
    let before = plain.malformed
    plain.adapt(frames, count, offloads: offloads) { frames, count in
      plugin.frames(plugin.context, handle, frames, UInt32(truncatingIfNeeded: count))
    }
    counters.txMalformed &+= plain.malformed &- before
    return count
  }

  /// Makes the plugin's frames contiguous, as a port delivers them.
  func deliver(
    _ frames: UnsafePointer<lnd_frame>, _ count: Int,
    _ body: (UnsafePointer<lnd_frame>, Int) -> Void
  ) {
    let all = LND_OFFLOAD_CSUM | LND_OFFLOAD_TSO4 | LND_OFFLOAD_TSO6 | LND_OFFLOAD_UDP_SEGMENT
    plain.adapt(frames, count, offloads: all) { frames, count in
      counters.rxFrames &+= UInt64(count)
      for i in 0..<count { counters.rxBytes &+= UInt64(frames[i].length) }
      body(frames, count)
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Frames that the plugin brings into the switch by an uplink that is itself (LND_UPLINK_PLUGIN). They are a guest's there:
// learned, guarded, and dropped where there is no room. They never come back to the plugin by another of its ports, since
// it is in a call of the host's. Thread: loop only.

import PluginAPI

extension Switch {
  /// Malformed ones are left out, counted and told.
  func bringIn(
    _ port: PluginPort, _ frames: UnsafePointer<lnd_frame>, _ count: Int
  ) {
    let wasCalling = pluginIsCalling
    pluginIsCalling = true
    defer { pluginIsCalling = wasCalling }
    let handle = port.handle
    var start = 0
    for i in 0...count {
      if i < count, (frames + i).shape != .malformed { continue }
      port.deliver(frames + start, i &- start) { receive(handle, $0, $1) }
      if i < count {
        counters.malformed &+= 1
        onMalformed?(frames + i)
      }
      start = i &+ 1
    }
  }
}

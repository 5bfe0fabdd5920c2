// SPDX-License-Identifier: Apache-2.0
//
// Frames that the plugin sends into the switch on an uplink whose other side it is (LND_UPLINK_PLUGIN). The switch
// treats them as a guest's: learned, guarded, and dropped where there is no room. They are not delivered to another
// port of the plugin, because it is inside a call into the host. Thread: loop only.

import PluginAPI

extension Switch {
  /// Malformed frames are dropped, counted and reported.
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

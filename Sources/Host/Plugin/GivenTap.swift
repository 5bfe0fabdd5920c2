// SPDX-License-Identifier: Apache-2.0
//
// GivenTap: the TAP device of the host that the supervisor made for this network (limanetd.tap/1),
// until the plugin makes it a port. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

final class GivenTap {
  private var fd: Int32
  private let spec: TapSpec
  /// Lives as long as the instance, as the header promises: for ever.
  private let staticName: UnsafePointer<CChar>

  /// Of the interface.
  var name: String { spec.name }

  /// Whoever has the other end of it takes super-frames and unfinished checksums.
  var takesOffloads: Bool { spec.takesOffloads }

  /// Takes over `fd`.
  init(_ spec: TapSpec, fd: Int32) {
    self.spec = spec
    self.fd = fd
    staticName = HostIdentity.staticText(spec.name)
  }

  deinit {
    if fd >= 0 { Descriptor.close(fd) }
  }

  private var flags: UInt32 { spec.vnetHeader ? LND_UPLINK_VNET_HDR : 0 }

  /// Without its size, which is the reader's.
  var table: lnd_tap {
    var table = lnd_tap()
    table.mtu = UInt32(clamping: spec.mtu)
    table.flags = flags
    let mac = MACText.parse(spec.mac) ?? 0
    withUnsafeMutableBytes(of: &table.mac) { $0.copyBytes(from: MACText.bytes(mac)) }
    table.name = staticName
    return table
  }

  /// The TAP as an uplink, once; its descriptor goes with it.
  func takeUplink(_ flags: UInt32) -> lnd_uplink? {
    guard fd >= 0 else { return nil }
    defer { fd = -1 }
    return lnd_uplink(
      size: UInt32(MemoryLayout<lnd_uplink>.stride), flags: self.flags | flags & LND_UPLINK_DIRECT,
      transport: LND_UPLINK_TAP, fd: fd, mtu: UInt32(clamping: spec.mtu), offloads: 0,
      name: staticName)
  }
}

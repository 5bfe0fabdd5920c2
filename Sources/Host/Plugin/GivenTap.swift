// SPDX-License-Identifier: Apache-2.0
//
// GivenTap: the TAP device of the host that the supervisor made for this network (limanetd.tap/1), until the plugin adds it
// as a port. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

final class GivenTap {
  private var fd: Int32
  private let spec: TapSpec
  /// Valid as long as the instance, as the header promises: never freed.
  private let staticName: UnsafePointer<CChar>

  /// Name of the interface.
  var name: String { spec.name }

  /// Whether the peer of the device accepts GSO frames and partial checksums.
  var takesOffloads: Bool { spec.takesOffloads }

  /// Takes ownership of `fd`.
  init(_ spec: TapSpec, fd: Int32) {
    self.spec = spec
    self.fd = fd
    staticName = HostIdentity.staticText(spec.name)
  }

  deinit {
    if fd >= 0 { Descriptor.close(fd) }
  }

  private var flags: UInt32 { spec.vnetHeader ? LND_UPLINK_VNET_HDR : 0 }

  /// Without `size`, which the reader sets.
  var table: lnd_tap {
    var table = lnd_tap()
    table.mtu = UInt32(clamping: spec.mtu)
    table.flags = flags
    let mac = MACText.parse(spec.mac) ?? 0
    withUnsafeMutableBytes(of: &table.mac) { $0.copyBytes(from: MACText.bytes(mac)) }
    table.name = staticName
    return table
  }

  /// The TAP as an uplink, with ownership of its descriptor; once.
  func takeUplink(_ flags: UInt32) -> lnd_uplink? {
    guard fd >= 0 else { return nil }
    defer { fd = -1 }
    return lnd_uplink(
      size: UInt32(MemoryLayout<lnd_uplink>.stride), flags: self.flags | flags & LND_UPLINK_DIRECT,
      transport: LND_UPLINK_TAP, fd: fd, mtu: UInt32(clamping: spec.mtu), offloads: 0,
      name: staticName)
  }
}

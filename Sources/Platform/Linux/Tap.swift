// SPDX-License-Identifier: Apache-2.0
//
// Tap: opens a TAP device in the current network namespace for the daemon. Frames carry a virtio-net header (12
// bytes, virtio 1.x), and the kernel is told which offloads the reader of the descriptor supports, so that a guest's
// TCP data arrives in GSO frames of up to 64 KiB with partial checksums. See Documentation/networking/tuntap.rst of
// the kernel.

#if os(Linux)

  import CPlatform
  import LibC

  package struct Tap: Sendable {
    /// Non-blocking and close-on-exec; the holder of this value closes it.
    package let fd: Int32
    /// The interface's name in the kernel.
    package let name: String
    /// False when the kernel refused the header; no offload is enabled then.
    package let vnetHeader: Bool
    /// The enabled TUN_F_* flags.
    package let offloads: UInt32

    package static let device = "/dev/net/tun"
    /// sizeof(struct virtio_net_hdr_mrg_rxbuf)
    package static let vnetHeaderLength: Int32 = 12

    /// TUN_F_CSUM | TSO4 | TSO6 | USO4 | USO6, then without USO (kernels before 6.2), then less.
    static let offloadChoices: [UInt32] = [0x67, 0x07, 0x03, 0x01]

    private static let setInterface: UInt64 = 0x4004_54ca  // TUNSETIFF
    private static let setOffload: UInt64 = 0x4004_54d0  // TUNSETOFFLOAD
    private static let setHeaderLength: UInt64 = 0x4004_54d8  // TUNSETVNETHDRSZ
    private static let flagTap: UInt16 = 0x0002
    private static let flagNoPacketInformation: UInt16 = 0x1000
    private static let flagVnetHeader: UInt16 = 0x4000

    /// Makes the interface `name` (at most 15 bytes), or takes over a persistent one of that name.
    /// - Throws: `SystemError` with call "open" (EACCES, ENOENT: the device file) or "TUNSETIFF" (EPERM: not the
    ///   owner of the namespace, EBUSY: another process is attached, EINVAL: not a TAP).
    package static func open(
      name: String, vnetHeader: Bool = true, device: String = Tap.device
    ) throws(SystemError) -> Tap {
      guard !name.isEmpty, name.utf8.count < 16 else {
        throw SystemError("TUNSETIFF", .invalidArgument, subject: name)
      }
      let fd = Glibc.open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC)
      guard fd >= 0 else {
        throw SystemError("open", .current, subject: device)
      }
      var flags = flagTap | flagNoPacketInformation
      if vnetHeader { flags |= flagVnetHeader }
      var request = InterfaceRequest(name: name)
      request.setFlags(flags)
      let result = request.perform(fd, setInterface)
      guard result >= 0 else {
        close(fd)
        throw SystemError("TUNSETIFF", Errno(0 &- result), subject: name)
      }
      var offloads: UInt32 = 0
      if vnetHeader {
        var length = vnetHeaderLength
        let result = plat_ioctl_bytes(fd, setHeaderLength, &length)
        guard result >= 0 else {
          close(fd)
          throw SystemError("TUNSETVNETHDRSZ", Errno(0 &- result), subject: name)
        }
        offloads =
          offloadChoices.first { plat_ioctl_value(fd, setOffload, Int32(bitPattern: $0)) >= 0 } ?? 0
      }
      return Tap(fd: fd, name: request.name, vnetHeader: vnetHeader, offloads: offloads)
    }

    /// The interface's hardware address, as "52:55:55:12:34:56".
    package func macAddress() throws(SystemError) -> String {
      try Self.hardwareAddress(of: fd)
    }

    /// The same for the interface behind any descriptor.
    package static func hardwareAddress(of fd: Int32) throws(SystemError) -> String {
      var request = InterfaceRequest(name: "")
      let result = request.perform(fd, 0x8927)  // SIOCGIFHWADDR
      guard result >= 0 else {
        throw SystemError("SIOCGIFHWADDR", Errno(0 &- result))
      }
      return EthernetAddress.text(request.hardwareAddress)
    }

    /// Sets the hardware address; the interface must be down.
    /// - Parameter mac: six bytes.
    package func setMACAddress(_ mac: [UInt8]) throws(SystemError) {
      try Self.setHardwareAddress(mac, of: fd)
    }

    /// The same for any descriptor. A macvtap may be up; the call takes 10 to 20 ms then.
    package static func setHardwareAddress(_ mac: [UInt8], of fd: Int32) throws(SystemError) {
      var request = InterfaceRequest(name: "")
      request.setHardwareAddress(mac)
      let result = request.perform(fd, 0x8924)  // SIOCSIFHWADDR
      guard result >= 0 else { throw SystemError("SIOCSIFHWADDR", Errno(0 &- result)) }
    }
  }

  /// struct ifreq: a name of 16 bytes, then a union of 24.
  struct InterfaceRequest {
    private var bytes = [UInt8](repeating: 0, count: 40)

    init(name: String) {
      for (index, byte) in name.utf8.prefix(15).enumerated() { bytes[index] = byte }
    }

    var name: String { String(decoding: bytes[0..<16].prefix { $0 != 0 }, as: UTF8.self) }
    var flags: UInt16 { UInt16(bytes[16]) | UInt16(bytes[17]) << 8 }
    var hardwareAddress: ArraySlice<UInt8> { bytes[18..<24] }

    mutating func setFlags(_ flags: UInt16) {
      withUnsafeBytes(of: flags) { bytes.replaceSubrange(16..<18, with: $0) }
    }

    mutating func setHardwareAddress(_ mac: [UInt8]) {
      withUnsafeBytes(of: UInt16(1)) { bytes.replaceSubrange(16..<18, with: $0) }  // ARPHRD_ETHER
      for (index, byte) in mac.prefix(6).enumerated() { bytes[18 + index] = byte }
    }

    mutating func perform(_ fd: Int32, _ call: UInt64) -> Int32 {
      bytes.withUnsafeMutableBytes { plat_ioctl_bytes(fd, call, $0.baseAddress) }
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("Arguments of drivers", .timeLimit(.minutes(5)))
struct DriverArgumentsTests {
  let interfaces = [
    InstanceInterface(
      id: "net0", name: "eth0", mac: "52:55:55:00:00:01", metric: 200,
      attachment: .network("user-v2", LimaHome(path: "/l,m").networkSockets("user-v2"))),
    InstanceInterface(
      id: "net2", name: "lima1", mac: "52:55:55:00:00:02", metric: 100,
      attachment: .socket("/run/s")),
  ].map { InterfaceReport($0, mode: nil) }

  @Test(arguments: [
    ("QEMU emulator version 7.1.0", nil), ("QEMU emulator version 7.2.22 (Debian 1:7.2)", ""),
    ("QEMU emulator version 8.0.0", ",reconnect=1"),
    ("QEMU emulator version 9.1.3", ",reconnect=1"),
    ("QEMU emulator version 9.2.0", ",reconnect-ms=500"),
    ("QEMU emulator version 10.1.0", ",reconnect-ms=500"), ("something else", ""),
  ])
  func `QEMU's follow its version`(_ text: String, _ suffix: String?) throws {
    let capabilities = QEMUCapabilities(version: QEMUCapabilities.version(in: text))
    guard let suffix else {
      #expect(throws: DriverArguments.Problem.self) {
        try DriverArguments.qemu(interfaces, arch: "x86_64", capabilities, .stream)
      }
      return
    }
    #expect(
      try DriverArguments.qemu(interfaces, arch: "x86_64", capabilities, .stream) == [
        "-netdev",
        "stream,id=net0,server=off,addr.type=unix,"
          + "addr.path=/l,,m/_networks/user-v2/user-v2_qemu.sock" + suffix,
        "-device", "virtio-net-pci,netdev=net0,mac=52:55:55:00:00:01",
        "-netdev", "stream,id=net2,server=off,addr.type=unix,addr.path=/run/s" + suffix,
        "-device", "virtio-net-pci,netdev=net2,mac=52:55:55:00:00:02",
      ])
  }

  @Test func `descriptors are in the order of the interfaces`() throws {
    #expect(
      try DriverArguments.qemu(
        interfaces, arch: "s390x", QEMUCapabilities(version: (6, 0)), .descriptors(first: 3)) == [
          "-netdev", "socket,id=net0,fd=3",
          "-device", "virtio-net-ccw,netdev=net0,mac=52:55:55:00:00:01",
          "-netdev", "socket,id=net2,fd=4",
          "-device", "virtio-net-ccw,netdev=net2,mac=52:55:55:00:00:02",
        ])
  }

  @Test func `TAP devices are descriptors, too`() throws {
    #expect(
      try DriverArguments.qemu(
        interfaces, arch: "x86_64", QEMUCapabilities(version: nil), .taps(first: 3)) == [
          "-netdev", "tap,id=net0,fd=3",
          "-device", "virtio-net-pci,netdev=net0,mac=52:55:55:00:00:01",
          "-netdev", "tap,id=net2,fd=4",
          "-device", "virtio-net-pci,netdev=net2,mac=52:55:55:00:00:02",
        ])
  }

  @Test func `vfkit has datagram sockets and Apple's NAT`() throws {
    let nat = InterfaceReport(
      InstanceInterface(
        id: "net1", name: "lima0", mac: "52:55:55:00:00:03", metric: 100, attachment: .vzNAT),
      mode: nil)
    #expect(
      try DriverArguments.vfkit([interfaces[0], nat]) == [
        "--device",
        "virtio-net,unixSocketPath=/l,m/_networks/user-v2/user-v2_unixgram.sock,mac=52:55:55:00:00:01",
        "--device", "virtio-net,nat,mac=52:55:55:00:00:03",
      ])
    #expect(throws: DriverArguments.Problem.self) { try DriverArguments.vfkit(interfaces) }
    #expect(throws: DriverArguments.Problem.self) {
      try DriverArguments.qemu([nat], arch: "x86_64", QEMUCapabilities(version: nil), .stream)
    }
  }

  @Test func `words are quoted for a shell where they need it`() {
    #expect(
      DriverArguments.shell(["-netdev", "a=b,c", "it's", "", "a b"])
        == #"-netdev a=b,c 'it'\''s' '' 'a b'"#)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// WirePair: two TAPs connected by a bridge, in a network namespace without processes: frames written to one are read from
// the other. A virtual machine gets one, the daemon the other, both with virtio-net headers, so that GSO frames of 64 KiB
// and partial checksums pass. It needs no privilege, as no interface is created on the host. The kernel keeps the namespace
// as long as one of the descriptors is open.
//
//   virtual machine ── fd "vm" ══ bridge ══ fd "net" ── daemon

import ArgumentParser
import Platform

#if os(Linux)

  import LibC

  struct WirePair {
    /// The virtual machine's end.
    let machine: Int32
    /// The daemon's end.
    let network: Int32

    /// The largest MTU of a TAP that networks and guests support.
    private static let mtu: UInt32 = 65520
    /// Timeout of the other process, nanoseconds.
    private static let timeout: UInt64 = 10_000_000_000

    /// Lets another process create them: entering a user namespace cannot be undone, and the virtual machine must keep the
    /// host's network and the user's files.
    init() throws {
      let (ours, theirs) = try UnixSocket.pair()
      defer { Descriptor.close(ours) }
      let pid: Int32
      do {
        defer { Descriptor.close(theirs) }
        pid = try ChildProcess.spawn(
          ChildProcess.ownPath(), [TapPair.name], fds: [(from: theirs, to: 0)])
      }
      defer {
        if (try? ChildProcess.wait(pid, timeout: Self.timeout)) ?? nil == nil {
          ChildProcess.kill(pid, SIGKILL)
          _ = try? ChildProcess.wait(pid)
        }
      }
      _ = try Descriptor.wait(ours, .read, timeout: Int32(Self.timeout / 1_000_000))
      switch DescriptorPassing.receive(ours) {
      case .descriptors(let fds) where fds.count == 2:
        (machine, network) = (fds[0], fds[1])
      case .descriptors(let fds):
        for fd in fds { Descriptor.close(fd) }
        throw ExitCode(125)
      case .failed(let error): throw error
      case .lost: throw SystemError("recvmsg", Errno(EMFILE), subject: "the TAP devices")
      // The other process has printed the reason.
      case .closed: throw ExitCode(125)
      case .wouldBlock:
        throw CommandFailure("The process that makes the TAP devices did not answer within 10 s")
      }
    }

    /// In the other process: creates them, and sends the descriptors over its standard input.
    static func make() throws {
      try GuestNamespace.enter()
      // Router advertisements are for the virtual machine: these interfaces are no stations.
      InterfaceSettings.set("disable_ipv6", 1, on: "default")
      let machine = try open("vm")
      let network = try open("net")
      do throws(SystemError) {
        try join([machine.name, network.name])
      } catch {
        throw CommandFailure(
          "The two TAP devices could not be joined: \(error)",
          remedy: error.errno.rawValue == EOPNOTSUPP
            ? "The kernel's bridge module is missing:  sudo modprobe bridge" : nil)
      }
      try DescriptorPassing.send([machine.fd, network.fd], over: 0)
    }

    private static func open(_ name: String) throws(CommandFailure) -> Tap {
      do throws(SystemError) { return try Tap.open(name: name) } catch {
        throw Advice().tap(error, name: name)
      }
    }

    private static func join(_ names: [String]) throws(SystemError) {
      var netlink = try Netlink()
      try netlink.addBridge("wire")
      let bridge = try netlink.link(named: "wire").index
      for name in names + ["wire"] {
        let index = try netlink.link(named: name).index
        InterfaceSettings.set("disable_ipv6", 1, on: name)
        // For a read-only /proc/sys.
        try netlink.omitLinkLocalAddress(index: index, name: name)
        if name != "wire" { try netlink.setMaster(bridge, of: index, name: name) }
        try netlink.setLink(
          index: index, name: name, up: true, mtu: mtu,
          transmitQueueLength: GuestInterface.transmitQueueLength)
      }
    }
  }

#endif

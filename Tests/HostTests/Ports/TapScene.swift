// SPDX-License-Identifier: Apache-2.0
//
// A TAP device in a new network namespace, and a packet socket on it that plays
// the guest. The namespace belongs to one thread that ends when all is open; the
// device lives as long as its fds.

#if os(Linux)
  import LibC
  import Platform
  import PluginAPI

  @testable import Host

  final class TapScene {
    /// Why the machine does not allow it; printed once.
    static let obstacle: String? = {
      do {
        _ = try TapScene(vnetHeader: true)
        return nil
      } catch {
        print("TAP tests are skipped: \(error)")
        return "\(error)"
      }
    }()
    static var isPossible: Bool { obstacle == nil }

    /// Not closed by the scene: the port takes it over.
    private(set) var tap: Int32 = -1
    private var socket: Int32 = -1
    private var netlink: Link?
    private var route: Int32 = -1
    private var index: Int32 = 0
    private let vnetHeader: Bool
    private let name = "tap0"

    private final class Link {
      var netlink: Netlink
      init() throws { netlink = try Netlink() }
    }

    init(vnetHeader: Bool) throws {
      self.vnetHeader = vnetHeader
      // Set on the other thread, which has ended before they are read.
      nonisolated(unsafe) var failure: (any Error)?
      nonisolated(unsafe) let scene = self
      ThreadBody {
        do { try scene.open() } catch { failure = error }
      }.run()
      if let failure { throw failure }
    }

    deinit {
      for fd in [socket, route] where fd >= 0 { _ = Sockets.close(fd) }
    }

    private func open() throws {
      try Namespaces.unshare(.network)
      tap = try Tap.open(name: name, vnetHeader: vnetHeader).fd
      // The namespace's kernel sends nothing of its own then.
      try? Namespaces.write("1", to: "/proc/sys/net/ipv6/conf/\(name)/disable_ipv6")
      index = Int32(if_nametoindex(name))
      netlink = try Link()
      route = Glibc.socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)
      setUp(true)
      try openPacketSocket()
    }

    private func openPacketSocket() throws {
      let type = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
      socket = Glibc.socket(AF_PACKET, type | Int32(SOCK_NONBLOCK.rawValue), 0)
      guard socket >= 0 else { throw SystemError("socket", .current, subject: "AF_PACKET") }
      if vnetHeader { _ = Sockets.setOption(socket, 263, 15, 1) }  // PACKET_VNET_HDR
      _ = Sockets.setOption(socket, SOL_SOCKET, SO_RCVBUF, 4 << 20)
      var address = [UInt8](repeating: 0, count: 20)
      address[0] = UInt8(AF_PACKET)
      address[3] = 3  // ETH_P_ALL, big-endian
      address[4] = UInt8(index)
      let bound = address.withUnsafeBytes { bytes in
        bytes.baseAddress.map {
          Sockets.bind(socket, $0.assumingMemoryBound(to: sockaddr.self), 20)
        } ?? -1
      }
      guard bound == 0 else { throw SystemError("bind", Errno(Int32(-bound))) }
    }

    func setUp(_ up: Bool) {
      try? netlink?.netlink.setLink(index: index, name: name, up: up, mtu: 65_521)
    }

    /// Ends the device behind the port's back.
    func delete() {
      // What NetlinkMessage has no kind for: struct nlmsghdr of RTM_DELLINK, struct ifinfomsg.
      var message = [UInt8](repeating: 0, count: 32)
      message[0] = 32
      message[4] = 17
      message[6] = 5
      message[20] = UInt8(index)
      _ = message.withUnsafeBytes { Sockets.send(route, $0.baseAddress, 32, 0) }
    }

    /// What the guest's kernel would send.
    func send(_ frame: [UInt8]) {
      let bytes = vnetHeader ? [UInt8](repeating: 0, count: 10) + frame : frame
      _ = bytes.withUnsafeBytes { Sockets.send(socket, $0.baseAddress, bytes.count, 0) }
    }

    func sendOffloaded(_ owned: OwnedFrame) {
      var header = [UInt8](repeating: 0, count: 10)
      header[0] = 1
      header[1] = UInt8(owned.frame.gso_type)
      for (at, value) in [
        (2, owned.frame.hdr_len), (4, owned.frame.gso_size), (6, owned.frame.csum_start),
        (8, owned.frame.csum_offset),
      ] {
        header[at] = UInt8(value & 255)
        header[at + 1] = UInt8(value >> 8)
      }
      let bytes = header + withUnsafePointer(to: owned.frame) { flatten($0) }
      _ = bytes.withUnsafeBytes { Sockets.send(socket, $0.baseAddress, bytes.count, 0) }
    }

    /// All frames the guest has been sent so far (not those it sent itself).
    func receiveAll() -> [[UInt8]] {
      var frames: [[UInt8]] = []
      var bytes = [UInt8](repeating: 0, count: 70_000)
      var address = [UInt8](repeating: 0, count: 20)
      while true {
        var length = socklen_t(20)
        let n = bytes.withUnsafeMutableBytes { to in
          address.withUnsafeMutableBytes { from in
            recvfrom(
              socket, to.baseAddress, to.count, 0,
              from.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
          }
        }
        guard n > 0 else { return frames }
        let isOutgoing = address[10] == 4  // PACKET_OUTGOING
        if !isOutgoing { frames.append(Array(bytes[(vnetHeader ? 10 : 0)..<n])) }
      }
    }
  }

  /// Runs work on a new thread, and waits for it.
  private final class ThreadBody {
    private let work: () -> Void
    init(_ work: @escaping () -> Void) { self.work = work }

    func run() {
      var thread = pthread_t()
      let context = Unmanaged.passRetained(self).toOpaque()
      pthread_create(
        &thread, nil,
        { context in
          if let context { Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue().work() }
          return nil
        }, context)
      pthread_join(thread, nil)
    }
  }
#endif

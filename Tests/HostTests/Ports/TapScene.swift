// SPDX-License-Identifier: Apache-2.0
//
// A TAP device in a new network namespace, and a packet socket on it that plays
// the guest. The namespace belongs to one thread that ends when all is open; the
// device lives as long as its fds.

#if os(Linux)
  import Glibc
  import Platform
  import PluginAPI

  @testable import Host

  final class TapScene {
    private static let setInterface: UInt = 0x4004_54ca  // TUNSETIFF
    private static let setOffload: UInt = 0x4004_54d0  // TUNSETOFFLOAD
    private static let setHeaderSize: UInt = 0x4004_54d8  // TUNSETVNETHDRSZ

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
    private var control: Int32 = -1
    private var netlink: Int32 = -1
    private let vnetHeader: Bool
    private var name = "tap0"

    init(vnetHeader: Bool) throws {
      self.vnetHeader = vnetHeader
      // Fields are set on the other thread, which is joined before they are read.
      nonisolated(unsafe) var failure: SystemError?
      nonisolated(unsafe) let scene = self
      let body = ThreadBody {
        do { try scene.open() } catch { failure = error as? SystemError }
      }
      body.run()
      if let failure { throw failure }
    }

    deinit {
      for fd in [socket, control] where fd >= 0 { _ = Sockets.close(fd) }
    }

    private func open() throws {
      guard unshare(CLONE_NEWNET) == 0 else { throw SystemError("unshare", .current) }
      tap = Glibc.open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)
      guard tap >= 0 else { throw SystemError("open", .current, subject: "/dev/net/tun") }
      var request = [UInt8](repeating: 0, count: 40)
      request.replaceSubrange(0..<4, with: Array(name.utf8))
      let flags: UInt16 = 0x0002 | 0x1000 | (vnetHeader ? 0x4000 : 0)  // TAP, NO_PI, VNET_HDR
      request[16] = UInt8(flags & 255)
      request[17] = UInt8(flags >> 8)
      guard ioctl(tap, Self.setInterface, &request) == 0 else {
        throw SystemError("TUNSETIFF", .current)
      }
      if vnetHeader {
        var size: Int32 = 12
        guard ioctl(tap, Self.setHeaderSize, &size) == 0 else {
          throw SystemError("TUNSETVNETHDRSZ", .current)
        }
        guard ioctl(tap, Self.setOffload, UInt(0x07)) == 0 else {  // CSUM, TSO4, TSO6
          throw SystemError("TUNSETOFFLOAD", .current)
        }
      }
      control = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
      disableIPv6()
      setUp(true)
      try openPacketSocket()
    }

    /// The namespace's kernel sends nothing of its own then.
    private func disableIPv6() {
      let fd = Glibc.open(
        "/proc/thread-self/net/../../../sys/net/ipv6/conf/tap0/disable_ipv6", O_WRONLY)
      if fd >= 0 {
        _ = write(fd, "1", 1)
        _ = Glibc.close(fd)
      }
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
      address[4] = UInt8(truncatingIfNeeded: if_nametoindex(name))
      let bound = address.withUnsafeBytes { bytes in
        bytes.baseAddress.map {
          Sockets.bind(socket, $0.assumingMemoryBound(to: sockaddr.self), 20)
        } ?? -1
      }
      guard bound == 0 else { throw SystemError("bind", Errno(Int32(-bound))) }
    }

    func setUp(_ up: Bool) {
      var request = [UInt8](repeating: 0, count: 40)
      request.replaceSubrange(0..<4, with: Array(name.utf8))
      request[16] = up ? UInt8(IFF_UP.rawValue) : 0
      _ = ioctl(control, UInt(SIOCSIFFLAGS), &request)
      // 65535 needs no special driver: frames of all sizes pass.
      var size = [UInt8](repeating: 0, count: 40)
      size.replaceSubrange(0..<4, with: Array(name.utf8))
      size[16] = 0xff
      size[17] = 0xff
      _ = ioctl(control, UInt(SIOCSIFMTU), &size)
    }

    /// Ends the device behind the port's back.
    func delete() {
      _ = ioctl(tap, Self.setInterface, nil)
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

// SPDX-License-Identifier: Apache-2.0
//
// AddressWatch: reports when an address of the host is added or removed (rtnetlink(7), RTMGRP_IPV4_IFADDR,
// RTMGRP_IPV6_IFADDR) and, on request, when an interface changes (RTMGRP_LINK). It reports only that something
// changed; a lost message (ENOBUFS) counts as a change. For the network namespace in which it was made. Loop thread.

#if os(Linux)

  import CPlatform
  import LibC

  package final class AddressWatch {
    private let loop: EventLoop
    private let onChange: () -> Void
    private var fd: Int32

    /// Messages read in one iteration.
    private static let perTurn = 256

    package init(
      loop: EventLoop, links: Bool = false, onChange: @escaping () -> Void
    ) throws(SystemError) {
      self.loop = loop
      self.onChange = onChange
      fd = Int32(
        try check("socket", Sockets.socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 0)))
      do throws(SystemError) {
        // struct sockaddr_nl: family, padding, pid (0: the kernel chooses), groups.
        let address: [UInt32] = [UInt32(AF_NETLINK), 0, 0x10 | 0x100 | (links ? 1 : 0)]
        let result = address.withUnsafeBytes {
          Sockets.bind(
            fd, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
        }
        _ = try check("bind", result, subject: "NETLINK_ROUTE")
        try loop.add(fd, .read) { [weak self] _ in self?.receive() }
      } catch {
        Descriptor.close(fd)
        fd = -1
        throw error
      }
    }

    deinit { close() }

    /// Idempotent.
    package func close() {
      guard fd >= 0 else { return }
      loop.remove(fd)
      Descriptor.close(fd)
      fd = -1
    }

    private func receive() {
      var buffer = [UInt8](repeating: 0, count: 8192)
      for _ in 0..<Self.perTurn {
        let count = buffer.withUnsafeMutableBytes { Sockets.recv(fd, $0.baseAddress, $0.count, 0) }
        guard count > 0 || count == Int(-ENOBUFS) else { break }
      }
      onChange()
    }
  }

#else

  /// Not available on this system; the callers poll instead.
  package final class AddressWatch {
    package init(
      loop: EventLoop, links: Bool = false, onChange: @escaping () -> Void
    ) throws(SystemError) {}
    package func close() {}
  }

#endif

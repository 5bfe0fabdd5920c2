// SPDX-License-Identifier: Apache-2.0
//
// SocketDiagnostics: the TCP connections of the current network namespace with their unacknowledged bytes, by
// NETLINK_SOCK_DIAG (sock_diag(7)), as `ss -t` lists them. Orphaned connections are included.

#if os(Linux)

  import CPlatform
  import LibC

  /// A connection in a state in which TCP still sends.
  package struct TCPConnectionInfo: Sendable, Hashable {
    /// The kernel's socket cookie, never reused.
    package var cookie: UInt64
    /// Bytes that the peer has not acknowledged; an unacknowledged FIN counts one.
    package var unacknowledged: UInt32
    /// Bytes that the peer has acknowledged so far; nil on kernels before 4.1.
    package var acknowledged: UInt64?
    /// No process holds it any more.
    package var isOrphan: Bool
    /// Both ends are in this namespace.
    package var isLocal: Bool
    /// "192.168.5.2:80", "[fd00::2]:80"
    package var remote: String

    package init(
      cookie: UInt64, unacknowledged: UInt32, acknowledged: UInt64?, isOrphan: Bool,
      isLocal: Bool = false, remote: String = ""
    ) {
      self.cookie = cookie
      self.unacknowledged = unacknowledged
      self.acknowledged = acknowledged
      self.isOrphan = isOrphan
      self.isLocal = isLocal
      self.remote = remote
    }
  }

  package struct SocketDiagnostics: ~Copyable {
    private var netlink: Netlink

    /// ESTABLISHED, FIN-WAIT-1, CLOSE-WAIT, LAST-ACK, CLOSING: the states in which TCP sends data or a FIN.
    private static let sendingStates: UInt32 = 1 << 1 | 1 << 4 | 1 << 8 | 1 << 9 | 1 << 11
    /// sizeof(struct inet_diag_msg)
    private static let messageLength = 72

    package init() throws(SystemError) {
      netlink = try Netlink(family: 4)  // NETLINK_SOCK_DIAG
    }

    /// The connections of both families that have unacknowledged bytes.
    /// - Throws: `SystemError`; ENOENT from a kernel without inet_diag.
    package mutating func unfinished() throws(SystemError) -> [TCPConnectionInfo] {
      var found: [TCPConnectionInfo] = []
      for family in [AF_INET, AF_INET6] {
        var message = NetlinkMessage(
          kind: 20, flags: .dump, sequence: netlink.nextSequence())  // SOCK_DIAG_BY_FAMILY
        message.append(UInt8(family))
        message.append(UInt8(IPPROTO_TCP))
        message.append(UInt8(1 << 1))  // INET_DIAG_INFO
        message.append(UInt8(0))
        message.append(Self.sendingStates)
        for _ in 0..<12 { message.append(UInt32(0)) }  // any address
        try netlink.request(message, call: "SOCK_DIAG_BY_FAMILY", subject: "TCP") { answer in
          if let info = Self.parse(answer), info.unacknowledged > 0 { found.append(info) }
        }
      }
      return found
    }

    static func parse(_ answer: ArraySlice<UInt8>) -> TCPConnectionInfo? {
      let reader = NetlinkReader(answer)
      guard answer.count >= messageLength,
        let low = reader.integer(at: 44, as: UInt32.self),
        let high = reader.integer(at: 48, as: UInt32.self),
        let unacknowledged = reader.integer(at: 60, as: UInt32.self),
        let inode = reader.integer(at: 68, as: UInt32.self)
      else { return nil }
      let isV6 = answer[answer.startIndex] == UInt8(AF_INET6)
      let size = isV6 ? 16 : 4
      func bytes(_ offset: Int, _ count: Int) -> [UInt8] {
        Array(answer[(answer.startIndex + offset)..<(answer.startIndex + offset + count)])
      }
      let (source, destination) = (bytes(8, size), bytes(24, size))
      let port = bytes(6, 2).reduce(0) { $0 << 8 | Int($1) }
      let info = reader.attributes(from: messageLength).first { $0.type == 2 }?.payload
      let address = text(destination)
      return TCPConnectionInfo(
        cookie: UInt64(high) << 32 | UInt64(low), unacknowledged: unacknowledged,
        // tcpi_bytes_acked
        acknowledged: info.flatMap { NetlinkReader($0).integer(at: 120, as: UInt64.self) },
        isOrphan: inode == 0,
        isLocal: source == destination || isLoopback(destination),
        remote: address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)")
    }

    private static func isLoopback(_ address: [UInt8]) -> Bool {
      if address.count == 4 { return address[0] == 127 }
      let mapped = address.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
      return mapped
        ? address[12] == 127 : address.dropLast().allSatisfy { $0 == 0 } && address[15] == 1
    }

    private static func text(_ address: [UInt8]) -> String {
      var address = address
      // An IPv4 connection of an IPv6 socket.
      if address.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] {
        address = Array(address.dropFirst(12))
      }
      var out = [CChar](repeating: 0, count: 46)
      let family = address.count == 4 ? AF_INET : AF_INET6
      guard inet_ntop(family, address, &out, socklen_t(out.count)) != nil else { return "?" }
      return String(decoding: out.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
  }

#endif

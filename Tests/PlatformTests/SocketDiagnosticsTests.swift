// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of connections that have something unsent: real sockets in a namespace of the test's own.

#if os(Linux)

  import LibC
  import TestSupport
  import Testing

  @testable import Platform

  @Suite(
    .enabled(if: NamespaceThread.isPossible, "see the first lines of the output"),
    .timeLimit(.minutes(1)))
  struct SocketDiagnosticsTests {
    /// A connection over the loopback, whose server does not read.
    private struct Pair {
      let client: Int32
      let server: Int32
      let port: UInt16

      init() throws {
        let listener = try LoopbackSockets.listener(port: 0)
        defer { Descriptor.close(listener) }
        let port = try LoopbackSockets.port(of: listener)
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = port.bigEndian
        peer.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let connected = withUnsafePointer(to: &peer) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
          }
        }
        let server = accept(listener, nil, nil)
        guard connected == 0, server >= 0 else { throw SystemError("connect", .current) }
        self.client = client
        self.server = server
        self.port = port
      }

      /// Writes until the kernel takes no more.
      func fill() {
        try? Descriptor.setNonBlocking(client)
        let bytes = [UInt8](repeating: 7, count: 65536)
        for _ in 0..<10_000 where write(client, bytes, bytes.count) < 0 { return }
      }
    }

    private static func bringUpLoopback() throws {
      var netlink = try Netlink()
      try netlink.setLink(index: try netlink.link(named: "lo").index, name: "lo", up: true)
    }

    @Test func aConnectionWithNothingUnsentIsNotListed() throws {
      try NamespaceThread.run {
        try Self.bringUpLoopback()
        let pair = try Pair()
        defer { for fd in [pair.client, pair.server] { Descriptor.close(fd) } }
        var diagnostics = try SocketDiagnostics()
        #expect(try diagnostics.unfinished().isEmpty)
      }
    }

    @Test func whatAReaderDoesNotTakeIsUnacknowledgedAlsoWhenNobodyHoldsTheSocket() throws {
      try NamespaceThread.run {
        try Self.bringUpLoopback()
        let pair = try Pair()
        pair.fill()
        var diagnostics = try SocketDiagnostics()
        let held = try #require(try diagnostics.unfinished().first)
        #expect(held.unacknowledged > 0 && !held.isOrphan && held.isLocal)
        #expect(held.remote == "127.0.0.1:\(pair.port)")
        #expect(held.acknowledged ?? 0 > 0)
        Descriptor.close(pair.client)
        let orphan = try #require(try diagnostics.unfinished().first)
        #expect(orphan.cookie == held.cookie)
        #expect(orphan.isOrphan && orphan.unacknowledged >= held.unacknowledged)
        // The reader takes all: nothing is left.
        var buffer = [UInt8](repeating: 0, count: 65536)
        for _ in 0..<100_000 where read(pair.server, &buffer, buffer.count) <= 0 { break }
        #expect(
          try eventually {
            try !diagnostics.unfinished().contains { $0.cookie == held.cookie }
          })
        Descriptor.close(pair.server)
      }
    }

    @Test func manyConnectionsAreListedInSeveralMessages() throws {
      try NamespaceThread.run {
        try Self.bringUpLoopback()
        let pairs = try (0..<150).map { _ in try Pair() }
        let byte: [UInt8] = [1]
        for pair in pairs {
          var size: Int32 = 2048
          setsockopt(
            pair.server, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
          _ = write(pair.client, byte, 1)
          pair.fill()
        }
        var diagnostics = try SocketDiagnostics()
        #expect(Set(try diagnostics.unfinished().map(\.cookie)).count == 150)
        for pair in pairs { for fd in [pair.client, pair.server] { Descriptor.close(fd) } }
      }
    }

    @Test func aPacketThatWaitsForItsNeighbourIsKnown() throws {
      try NamespaceThread.run {
        let tap = try Tap.open(name: "eth0")
        defer { Descriptor.close(tap.fd) }
        var netlink = try Netlink()
        let link = try netlink.link(named: "eth0")
        try netlink.setLink(index: link.index, name: "eth0", up: true)
        let address = try #require(NetlinkAddress("192.168.5.15"))
        try netlink.addAddress(address, prefixLength: 24, index: link.index, name: "eth0")
        #expect(try !netlink.hasUnresolvedNeighbours(index: link.index))
        let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = UInt16(9).bigEndian
        peer.sin_addr.s_addr = UInt32(0xC0A8_0502).bigEndian
        let sent = withUnsafePointer(to: &peer) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            sendto(socket, "x", 1, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
          }
        }
        #expect(sent == 1)
        // The socket may be gone: its packet waits all the same.
        Descriptor.close(socket)
        #expect(try netlink.hasUnresolvedNeighbours(index: link.index))
      }
    }
  }

  @Suite struct SocketDiagnosticsParsingTests {
    @Test func anAnswerOfAnyBytesIsReadWithoutATrap() {
      var generator = SystemRandomNumberGenerator()
      for _ in 0..<3000 {
        let bytes = (0..<Int.random(in: 0...300)).map { _ in
          UInt8.random(in: 0...(Bool.random() ? 255 : 10), using: &generator)
        }
        if let info = SocketDiagnostics.parse(bytes[...]) { #expect(bytes.count >= 72, "\(info)") }
      }
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0
//
// Forwards: clients on the host's loopback, a server in the guest.

import LibC
import LimaNetdSDK
import NetStack
import Platform
import PluginAPI
import Testing
import Wire

@testable import SlirpCore

@Suite(.timeLimit(.minutes(5))) struct ForwardTests {
  private func hostPort(_ host: TestHost, _ index: Int = 0) throws -> UInt16 {
    guard case .array(let list) = try host.forwards(), list.indices.contains(index),
      case .string(let text) = list[index]["host"], let endpoint = Endpoint(text)
    else { throw TestHost.Timeout(what: "a forward") }
    return endpoint.port
  }

  private func accept(_ guest: TestGuest, _ port: UInt16) throws -> TestConnection {
    var connection: TestConnection?
    try guest.host.run("a connection to the guest") {
      connection = TestConnection(guest, acceptingAt: port)
      return connection != nil
    }
    return try #require(connection)
  }

  @Test(
    arguments: [
      ("{}", 0, "client"), ("{}", LND_FORWARD_FROM_GATEWAY, "gateway"),
      (#"{"forwardSource": "gateway"}"#, 0, "gateway"),
      (#"{"forwardSource": "gateway"}"#, LND_FORWARD_FROM_CLIENT, "client"),
    ] as [(String, UInt32, String)])
  func `whose address the guest sees is told by the forward, else by the network`(
    options: String, flag: UInt32, source: String
  ) throws {
    let host = try TestHost(options: options)
    #expect(
      try host.expose(LND_FORWARD_TCP | flag, "127.0.0.1:0", "192.168.5.15:80").status == LND_OK)
    guard case .array(let list) = try host.forwards() else {
      throw TestHost.Timeout(what: "a list")
    }
    #expect(list.first?["source"] == .string(source) && list.first?["protocol"] == "tcp")
  }

  @Test func `a protocol with bits that nobody knows is refused`() throws {
    let host = try TestHost()
    let both = LND_FORWARD_FROM_CLIENT | LND_FORWARD_FROM_GATEWAY
    for bits in [both, 0x400, 0x400 | LND_FORWARD_FROM_CLIENT] as [UInt32] {
      let outcome = try host.expose(LND_FORWARD_TCP | bits, "127.0.0.1:0", "192.168.5.15:80")
      #expect(outcome.status == LND_ERR_UNSUPPORTED, "\(outcome)")
    }
  }

  @Test func `a TCP client's bytes reach the guest and come back`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.arp(TestGuest.gateway)
    #expect(try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:80").status == LND_OK)
    let client = try TestSocket.connected(
      to: Endpoint(.loopbackV4, port: try hostPort(host)))
    let server = try accept(guest, 80)
    #expect(server.remote.address == TestGuest.gateway)
    client.write(Array("GET /".utf8))
    try server.wait("the request") { server.received == Array("GET /".utf8) }
    #expect(
      try host.forwards()
        == .array([
          [
            "protocol": "tcp", "host": .string("127.0.0.1:\(try hostPort(host))"),
            "guest": "192.168.5.15:80", "guestName": "", "source": "client",
            "connections": 1,
          ]
        ]))
    server.write(Array("hello".utf8))
    server.finish()
    var answer: [UInt8]? = []
    try server.wait("the answer") {
      if let more = client.read() {
        answer? += more
        return false
      }
      return true
    }
    #expect(answer == Array("hello".utf8))
    #expect(guest.malformed == 0)
  }

  @Test func `a guest that never spoke is asked for by ARP`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    _ = try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:22")
    let client = try TestSocket.connected(to: Endpoint(.loopbackV4, port: try hostPort(host)))
    let server = try accept(guest, 22)
    server.write(Array("SSH".utf8))
    try server.wait("the banner") { client.read() == Array("SSH".utf8) }
  }

  @Test func `a unix socket leads into the guest`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.arp(TestGuest.gateway)
    var template = Array("/tmp/slirp-test-XXXXXX".utf8CString)
    let directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer { rmdir(directory) }
    let path = directory + "/web.sock"
    #expect(try host.expose(LND_FORWARD_UNIX, path, "192.168.5.15:80").status == LND_OK)
    let client = try TestSocket.connected(toPath: path)
    let server = try accept(guest, 80)
    client.write([1, 2, 3])
    try server.wait("bytes") { server.received == [1, 2, 3] }
    #expect(try host.expose(LND_FORWARD_UNIX, path, "", remove: true).status == LND_OK)
    #expect(access(path, F_OK) != 0)
    // The connection goes on.
    client.write([4])
    try server.wait("more") { server.received == [1, 2, 3, 4] }
  }

  @Test(.timeLimit(.minutes(1)))
  func `a unix forward removes its own socket at the end and nothing that took its place`() throws {
    let folder = "/tmp/lnd-forward-\(CurrentProcess.id)-\(UInt32.random(in: 0 ... .max))"
    try Files.makeDirectory(folder, mode: 0o700)
    defer {
      for name in (try? Files.list(folder)) ?? [] { unlink("\(folder)/\(name)") }
      rmdir(folder)
    }
    let host = try TestHost()
    let path = folder + "/web.sock"
    func expose() throws {
      #expect(try host.expose(LND_FORWARD_UNIX, path, "192.168.5.15:80").status == LND_OK)
    }
    func unexpose() throws {
      #expect(try host.expose(LND_FORWARD_UNIX, path, "", remove: true).status == LND_OK)
    }
    try expose()
    try unexpose()
    #expect(!Files.exists(path))
    // A stranger's file.
    try expose()
    #expect(unlink(path) == 0)
    try Files.write([7], to: path, mode: 0o600)
    try unexpose()
    #expect(try Files.read(path, limit: 10) == [7])
    let taken = try host.expose(LND_FORWARD_UNIX, path, "192.168.5.15:80")
    #expect(taken.status == LND_ERR_EXISTS)
    #expect(taken.text.contains("a regular file is there"))
    #expect(unlink(path) == 0)
    // A stranger's socket.
    try expose()
    #expect(unlink(path) == 0)
    let stranger = try UnixSocket.serve(path: path)
    defer { stranger.close() }
    try unexpose()
    #expect(stranger.file?.isThere == true)
    // Which is in use, also when it accepts nobody: nothing waits for it.
    let hung = folder + "/hung.sock"
    let listener = try UnixSocket.listen(path: hung, backlog: 0)
    defer { Descriptor.close(listener) }
    var clients: [Int32] = []
    defer { for client in clients { Descriptor.close(client) } }
    while clients.count < 64, let client = try? UnixSocket.connect(path: hung) {
      clients.append(client)
    }
    #expect(clients.count < 64)
    let busy = try host.expose(LND_FORWARD_UNIX, hung, "192.168.5.15:80")
    #expect(busy.status == LND_ERR_EXISTS && busy.text.contains("\(hung) is in use"))
  }

  @Test func `UDP clients are kept apart`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    _ = try host.expose(LND_FORWARD_UDP, "127.0.0.1:0", "192.168.5.15:53")
    let target = Endpoint(.loopbackV4, port: try hostPort(host))
    let clients = [try TestSocket.udp(), try TestSocket.udp()]
    for (index, client) in clients.enumerated() { client.send([UInt8(index)], to: target) }
    try guest.wait("both") { guest.datagrams.count == 2 }
    #expect(Set(guest.datagrams.map(\.source.port)).count == 2)
    for datagram in guest.datagrams {
      #expect(datagram.source.address == TestGuest.gateway)
      #expect(datagram.port == 53)
      guest.sendUDP(from: 53, to: datagram.source, datagram.payload + [9])
    }
    for (index, client) in clients.enumerated() {
      let answer = try #require(client.receiveFrom())
      #expect(answer.bytes == [UInt8(index), 9])
      #expect(answer.source == target)
    }
    guard case .array(let list) = try host.forwards() else { return }
    #expect(list[0]["connections"] == 2)
  }

  /// "*:0" of the flag; returns the port that was chosen.
  private func listenOnBoth(_ host: TestHost, _ proto: UInt32, _ guest: String) throws -> UInt16 {
    let outcome = try host.expose(proto | LND_FORWARD_DUAL_STACK, "[::]:0", guest)
    #expect(outcome.status == LND_OK, "\(outcome)")
    guard case .array(let list) = try host.forwards(),
      case .string(let text)? = list.first?["host"],
      text.hasPrefix("*:"), let port = UInt16(text.dropFirst(2))
    else { throw TestHost.Timeout(what: "a forward of both families") }
    return port
  }

  @Test func `a forward of both families shows an IPv4 client to the guest as it is`() throws {
    let host = try TestHost(options: #"{"forwardSource": "client"}"#)
    let guest = TestGuest(host)
    guest.arp(TestGuest.gateway)
    let port = try listenOnBoth(host, LND_FORWARD_TCP, "192.168.5.15:80")
    for address in [IPAddress.loopbackV4, .loopbackV6] {
      let client = try TestSocket.connected(to: Endpoint(address, port: port))
      let server = try accept(guest, 80)
      #expect(server.remote.address == TestGuest.gateway, "\(server.remote)")
      client.write(Array("GET /".utf8))
      try server.wait("the request") { server.received == Array("GET /".utf8) }
    }
    // The socket has the port of both families, and to take the forward back leaves nothing.
    for other in ["127.0.0.1:\(port)", "0.0.0.0:\(port)", "[::]:\(port)"] {
      let taken = try host.expose(LND_FORWARD_TCP, other, "192.168.5.15:81")
      #expect(taken.status == LND_ERR_EXISTS && taken.text == "\(other) is in use", "\(taken)")
    }
    let removed = try host.expose(
      LND_FORWARD_TCP | LND_FORWARD_DUAL_STACK, "[::]:\(port)", "", remove: true)
    #expect(removed.status == LND_OK)
    #expect(try host.forwards() == .array([]))
    // Each family alone: [::] is IPv6 only.
    for other in ["0.0.0.0:\(port)", "[::]:\(port)"] {
      #expect(try host.expose(LND_FORWARD_TCP, other, "192.168.5.15:81").status == LND_OK)
    }
    let taken = try host.expose(
      LND_FORWARD_TCP | LND_FORWARD_DUAL_STACK, "[::]:\(port)", "192.168.5.15:80")
    #expect(taken.status == LND_ERR_EXISTS && taken.text == "*:\(port) is in use", "\(taken)")
  }

  @Test func `a UDP forward of both families answers a client of either`() throws {
    let host = try TestHost()
    let guest = TestGuest(host)
    guest.arp(TestGuest.gateway)
    let port = try listenOnBoth(host, LND_FORWARD_UDP, "192.168.5.15:53")
    let target = Endpoint(.loopbackV4, port: port)
    let client = try TestSocket.udp()
    client.send([1], to: target)
    try guest.wait("the datagram") { guest.datagrams.count == 1 }
    let datagram = try #require(guest.datagrams.first)
    #expect(datagram.source.address == TestGuest.gateway && datagram.port == 53)
    guest.sendUDP(from: 53, to: datagram.source, [2])
    let answer = try #require(client.receiveFrom())
    #expect(answer.bytes == [2])
    #expect(answer.source == target)
  }

  @Test func `only all addresses can be of both families`() throws {
    let host = try TestHost()
    for address in ["[::1]:0", "0.0.0.0:0", "/tmp/both.sock"] {
      let proto = address.hasPrefix("/") ? LND_FORWARD_UNIX : LND_FORWARD_TCP
      let outcome = try host.expose(proto | LND_FORWARD_DUAL_STACK, address, "192.168.5.15:80")
      #expect(outcome.status == LND_ERR_INVALID_CONFIG, "\(outcome)")
      #expect(outcome.text.contains("only [::]"), "\(outcome)")
    }
  }

  @Test func `errors say what is wrong`() throws {
    let host = try TestHost()
    let taken = try TestSocket.listener()
    let cases: [(UInt32, String, String, Int32, String)] = [
      (
        LND_FORWARD_TCP, "127.0.0.1:\(taken.port)", "192.168.5.15:80", LND_ERR_EXISTS,
        "127.0.0.1:\(taken.port) is in use"
      ),
      (
        LND_FORWARD_TCP, "198.51.100.9:80", "192.168.5.15:80", LND_ERR_SYSTEM,
        "198.51.100.9:80 is not an address of this host"
      ),
      (LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15", LND_ERR_INVALID_CONFIG, "192.168.5.15:80"),
      (LND_FORWARD_TCP, "127.0.0.1:0", "10.0.0.1:80", LND_ERR_INVALID_CONFIG, "192.168.5.2/24"),
      (LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.2:80", LND_ERR_INVALID_CONFIG, "192.168.5.2"),
      (LND_FORWARD_UNIX, "web.sock", "192.168.5.15:80", LND_ERR_INVALID_CONFIG, "absolute"),
      (
        LND_FORWARD_UNIX, "/" + String(repeating: "x", count: 200), "192.168.5.15:80",
        LND_ERR_INVALID_CONFIG, "107"
      ),
      (9, "127.0.0.1:0", "192.168.5.15:80", LND_ERR_UNSUPPORTED, "tcp, udp and unix"),
    ]
    for (proto, address, guest, status, text) in cases {
      let result = try host.expose(proto, address, guest)
      #expect(result.status == status, "\(address) \(guest)")
      #expect(result.text.contains(text), "\(result.text)")
    }
    #expect(try host.forwards() == .array([]))
  }

  @Test func `the same forward twice is an error, taking an unknown one back is not`() throws {
    let host = try TestHost()
    _ = try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:80")
    let address = "127.0.0.1:\(try hostPort(host))"
    let again = try host.expose(LND_FORWARD_TCP, address, "192.168.5.15:81")
    #expect(again.status == LND_ERR_EXISTS)
    #expect(again.text == "\(address) is forwarded to 192.168.5.15:80 already")
    for _ in 0..<2 {
      #expect(try host.expose(LND_FORWARD_TCP, address, "", remove: true).status == LND_OK)
    }
    #expect(try host.forwards() == .array([]))
    // The address is free again.
    #expect(try host.expose(LND_FORWARD_TCP, address, "192.168.5.15:81").status == LND_OK)
  }

  @Test func `while the guest is away clients are reset, and served when it is back`() throws {
    let host = try TestHost()
    var guest: TestGuest? = TestGuest(host, name: "vm")
    _ = try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:80")
    let target = Endpoint(.loopbackV4, port: try hostPort(host))
    host.portDown(7)
    guest = nil
    let early = try TestSocket.connected(to: target)
    try host.run("the reset") { recv(early.fd, nil, 0, 0) < 0 && errno == ECONNRESET }
    guest = TestGuest(host, port: 8, name: "vm")
    let late = try TestSocket.connected(to: target)
    let server = try accept(try #require(guest), 80)
    late.write([1])
    try server.wait("the byte") { server.received == [1] }
  }

  @Test func `a forward finds its guest by name`() throws {
    let host = try TestHost()
    let first = TestGuest(host, port: 1, name: "first")
    let second = TestGuest(host, port: 2, name: "second")
    _ = try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:80", name: "second")
    _ = try host.expose(LND_FORWARD_TCP, "127.0.0.1:0", "192.168.5.15:80")
    let one = try TestSocket.connected(to: Endpoint(.loopbackV4, port: try hostPort(host, 0)))
    _ = try accept(second, 80)
    first.collect()
    #expect(first.segments.isEmpty)
    let two = try TestSocket.connected(to: Endpoint(.loopbackV4, port: try hostPort(host, 1)))
    _ = try accept(first, 80)
    withExtendedLifetime((one, two)) {}
  }
}

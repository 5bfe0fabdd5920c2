// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("Guests arriving", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct GuestTests {
  @Test(arguments: ["7", "192.168.5.2", "fd00::1", "52:55:55:00:00:01", "\u{fc}", "a b", "a/b", ""])
  func `a guest is renamed to nothing by which another would be found`(name: String) throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    func rename(_ new: String) throws -> GuestDetail {
      try fixture.result {
        try await network.rename(network.guests.names.first ?? "", to: new)
      }.get()
    }
    #expect(throws: ErrorReport.self) { try rename(name) }
    #expect(try rename("web_1.lab").name == "web_1.lab")
  }

  @Test func `a datagram socket sent to _fd.sock is a guest`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let (own, theirs) = try UnixSocket.pair(type: .datagram)
    defer { Descriptor.close(own) }
    let client = try UnixSocket.connect(path: fixture.home.networkSockets("lab").fd)
    try DescriptorPassing.send([theirs], over: client)
    Descriptor.close(theirs)
    Descriptor.close(client)
    #expect(fixture.until { network.state == .running && fixture.requests().count >= 3 })
    #expect(fixture.requests().last == "port dgram guest-1 slot false resumed false fds 1")
  }

  @Test func `a descriptor that is no datagram socket is refused`() throws {
    let fixture = try Fixture()
    let pipe = try Descriptor.pipe()
    let client = try UnixSocket.connect(path: fixture.home.networkSockets("lab").fd)
    defer { for fd in [pipe.read, pipe.write, client] { Descriptor.close(fd) } }
    try DescriptorPassing.send([pipe.read], over: client)
    #expect(fixture.until { fixture.log.lines.all.contains { $0.contains("no datagram socket") } })
    #expect(try fixture.network().guests.isEmpty)
  }

  @Test func `the first datagram starts the network, and its guest keeps it`() throws {
    let fixture = try Fixture(grace: 200_000_000)
    let network = try fixture.network()
    let path = fixture.root + "/guest.sock"
    let guest = try UnixSocket.listen(path: path, type: .datagram)
    defer { Descriptor.close(guest) }
    let result = try UnixSocket.withAddress(fixture.home.networkSockets("lab").unixgram) {
      Sockets.connect(guest, $0, $1)
    }
    #expect(result == 0)
    try Files.writeAll(guest, Array("frame".utf8))
    #expect(fixture.until { network.guests.unixgramGuests.count == 1 })
    fixture.pass(0.5)
    #expect(network.state == .running)
    try Files.writeAll(guest, Array("BYE".utf8))
    #expect(fixture.until { network.state == .stopped })
    try Files.writeAll(guest, Array("frame".utf8))
    #expect(fixture.until { network.state == .running })
  }

  @Test func `a long list of leases comes in parts and is whole`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    try Fixture.write(fixture.home.networkDirectory("lab") + "/fake-lease-parts", "")
    let leases: Result<[LeaseReport], ErrorReport> = try fixture.result {
      try await network.leases.list()
    }
    #expect(try leases.get().map(\.address) == ["10.0.0.9", "10.0.0.10", "10.0.0.11"])
  }

  func attach(
    _ fixture: Fixture, _ network: String = "lab", name: String = "box"
  ) throws -> (MessageChannel, AttachReply) {
    let channel = try MessageChannel(fd: UnixSocket.connect(path: fixture.home.attachSocket))
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    let request = AttachRequest(
      network: network, name: name, mac: "52:55:55:00:00:09", mtu: 1500, vnetHeader: true)
    try channel.send(try JSONText.encode(request), fds: [null])
    var reply: AttachReply?
    fixture.until {
      if let message = try? channel.receive() {
        reply = try? JSONText.decode(AttachReply.self, from: message.bytes)
      }
      return reply != nil
    }
    return (channel, try #require(reply))
  }

  @Test func `an attached TAP gets a lease and stays as long as the connection`() throws {
    let fixture = try Fixture(grace: 200_000_000)
    let network = try fixture.network()
    let (channel, reply) = try attach(fixture)
    #expect(reply.ok && reply.guest == 1)
    #expect(reply.lease?.address == "10.0.0.9" && reply.lease?.prefixLength == 24)
    #expect(fixture.requests().contains("port tap box slot false resumed false fds 1"))
    fixture.pass(0.4)
    #expect(network.state == .running)
    channel.close()
    #expect(fixture.until { network.guests.isEmpty })
    #expect(fixture.until { network.state == .stopped })
  }

  @Test func `a name with a NUL, which a plugin would take for another's, is refused`() throws {
    let fixture = try Fixture()
    let (_, reply) = try attach(fixture, name: "box\0two")
    #expect(!reply.ok && reply.error?.code == "INVALID_CONFIG")
    #expect(try fixture.network().guests.isEmpty)
  }

  @Test func `an attached TAP outlives the network's process`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let (channel, _) = try attach(fixture)
    ChildProcess.kill(try #require(network.link?.pid), 11)
    #expect(fixture.until { network.life.restarts == 1 && network.state == .running })
    // Its address is taken up again, so that nobody else is given it.
    #expect(
      fixture.until {
        fixture.requests().suffix(2) == [
          "port tap box slot false resumed true fds 1", "reserveLease",
        ]
      })
    #expect(try channel.receive() == nil)
  }

  @Test func `a process that dies before it has given a lease is asked again`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: crash-at-lease"))
    let reply = try attach(fixture).1
    #expect(reply.ok && reply.lease?.address == "10.0.0.9")
    #expect(try fixture.network().life.restarts == 1)
  }

  @Test func `a guest that comes while a process dies for the second time is asked for again`()
    throws
  {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: crash-at-lease"))
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    ChildProcess.kill(try #require(network.link?.pid), 9)
    #expect(fixture.until { network.life.restarts == 1 && network.state == .running })
    // The process that is asked for the lease ran well until then: it did not fail to start.
    let reply = try attach(fixture).1
    #expect(reply.ok && reply.lease?.address == "10.0.0.9", "\(reply)")
    #expect(network.life.restarts == 2)
  }

  @Test func `a guest over whose lease every process dies is told so`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: crash-at-every-lease"))
    let reply = try attach(fixture).1
    #expect(reply.error?.code == "INTERNAL")
    #expect(reply.error?.message.contains("ended while it was asked for an address") == true)
    let network = try fixture.network()
    #expect(network.life.restarts == Network.leaseAttempts)
    #expect(fixture.until { network.guests.isEmpty && network.state == .stopped })
  }

  @Test func `attaching to a network that is not there, or cannot start, is an answer`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: refuse"))
    #expect(try attach(fixture, "nix").1.error?.code == "NOT_FOUND")
    let reply = try attach(fixture).1
    #expect(reply.error?.code == "INVALID_CONFIG")
    #expect(reply.error?.message.contains("is not to its taste") == true)
  }

  @Test func `a network without leases refuses a guest that needs one`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: no-leases"))
    #expect(try attach(fixture).1.error?.code == "UNSUPPORTED")
    #expect(fixture.until { (try? fixture.network().guests.isEmpty) == true })
  }

  @Test func `stopping a network ends its attachments`() throws {
    let fixture = try Fixture()
    let (channel, _) = try attach(fixture)
    try fixture.network().stop("the test says so")
    var closed = false
    fixture.until {
      do { _ = try channel.receive() } catch { closed = true }
      return closed
    }
    #expect(closed)
  }
}

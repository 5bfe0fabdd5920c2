// SPDX-License-Identifier: Apache-2.0
//
// The attach socket: who may not come, what brings a guest back, and what it hears when it has to go.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("The attach socket", .serialized, .ownThread, .timeLimit(.minutes(2)))
struct AttachServerTests {
  private func request(
    _ name: String, made: Bool = false, mac: String? = nil, forwards: [Forward] = []
  ) -> AttachRequest {
    AttachRequest(
      network: "lab", name: name, nameIsMade: made, mac: mac, mtu: 1500, vnetHeader: true,
      forwards: forwards)
  }

  private func attach(
    _ fixture: Fixture, _ request: AttachRequest
  ) throws -> (MessageChannel, AttachReply) {
    let channel = try MessageChannel(fd: UnixSocket.connect(path: fixture.home.attachSocket))
    let null = try Files.openNull()
    defer { Descriptor.close(null) }
    try channel.send(try JSONText.encode(request), fds: [null])
    return (channel, try #require(next(fixture, channel)))
  }

  private func next<Message: Decodable>(
    _ fixture: Fixture, _ channel: MessageChannel, as: Message.Type = Message.self
  ) -> Message? {
    var message: Message?
    fixture.until {
      if let bytes = (try? channel.receive())?.bytes {
        message = try? JSONText.decode(Message.self, from: bytes)
      }
      return message != nil
    }
    return message
  }

  @Test func `a name that a guest has is not given to another, and a made-up one becomes another`()
    throws
  {
    let fixture = try Fixture()
    let (first, reply) = try attach(fixture, request("web"))
    #expect(reply.ok)
    let (_, second) = try attach(fixture, request("web"))
    #expect(second.error?.code == "EXISTS")
    #expect(second.error?.message.contains("has a guest web already") == true)
    let (third, made) = try attach(fixture, request("web", made: true))
    #expect(made.ok)
    #expect(try Set(fixture.network().guests.all.map(\.name)) == ["web", "web-2"])
    // Who has left gives the name back.
    first.close()
    let network = try fixture.network()
    #expect(fixture.until { network.guests.count == 1 })
    #expect(try attach(fixture, request("web")).1.ok)
    third.close()
  }

  @Test func `two guests of one switch do not have one Ethernet address`() throws {
    let fixture = try Fixture(start: false)
    try Fixture.write(
      fixture.plugins + "/lima-net-fake.so",
      Fixture.inspection(
        kind: "network", name: "fake", modes: ["fake"], schema: nil, isolated: false))
    try fixture.supervisor.start()
    // Closed, and its guest gone, when nothing holds it.
    let (channel, first) = try attach(fixture, request("a", mac: "52:55:55:00:00:0a"))
    defer { channel.close() }
    #expect(first.ok)
    let (_, second) = try attach(fixture, request("b", mac: "52:55:55:00:00:0A"))
    #expect(second.error?.message.contains("b has the Ethernet address of a") == true, "\(second)")
    #expect(try attach(fixture, request("c", mac: "52:55:55:00:00:0c")).1.ok)
  }

  @Test func `where guests are alone the address may be another's`() throws {
    let fixture = try Fixture()
    let both = try ["a", "b"].map {
      try attach(fixture, request($0, mac: "52:55:55:00:00:0a"))
    }
    #expect(both.allSatisfy { $0.1.ok })
    #expect(try fixture.network().guests.count == 2)
  }

  @Test func `a guest hears that its network was stopped, and does not start it by coming back`()
    throws
  {
    let fixture = try Fixture()
    let network = try fixture.network()
    let (channel, _) = try attach(fixture, request("web"))
    network.stop("asked to")
    let farewell: AttachFarewell? = next(fixture, channel)
    #expect(farewell?.cause == .networkStopped && farewell?.message == "asked to")
    #expect(fixture.until { network.state == .stopped })
    var again = request("web")
    again.startsNothing = true
    let refused = try attach(fixture, again).1
    #expect(refused.error?.message == "network lab is stopped")
    #expect(network.state == .stopped)
    _ = network.whenRunning()
    #expect(fixture.until { network.state == .running })
    #expect(try attach(fixture, again).1.ok)
  }

  @Test func `a guest that comes while its network is stopped is told so, and to try again`() throws
  {
    let fixture = try Fixture()
    let network = try fixture.network()
    let lease = network.attach(request("web"), fd: try Files.openNull()) { _ in }.lease
    #expect(network.state == .starting)
    _ = try fixture.result { try await fixture.supervisor.stopNetwork("lab") }.get()
    let told = #expect(throws: ErrorReport.self) {
      _ = try fixture.result { try await lease.value() }.get()
    }
    #expect(told?.message == "network lab is being stopped (network stop): try again")
  }

  @Test func `a guest hears that the daemon stops`() throws {
    let fixture = try Fixture()
    let (channel, _) = try attach(fixture, request("web"))
    fixture.supervisor.shutdown("the test says so")
    let farewell: AttachFarewell? = next(fixture, channel)
    #expect(farewell?.cause == .daemonStops)
  }

  @Test func `the forwards that a guest brings go with it, and one that cannot be is its refusal`()
    throws
  {
    let fixture = try Fixture()
    let network = try fixture.network()
    let port = Forward(protocol: "tcp", host: "127.0.0.1:18080", guest: "80")
    let (channel, reply) = try attach(fixture, request("web", forwards: [port]))
    #expect(reply.ok && reply.forwards?.map(\.guest) == ["10.0.0.9:80"], "\(reply)")
    #expect(network.forwards.open.map(\.host) == ["127.0.0.1:18080"])
    let (_, taken) = try attach(fixture, request("other", forwards: [port]))
    #expect(taken.error?.code == "EXISTS", "\(taken)")
    #expect(taken.error?.message.contains("for guest web") == true)
    #expect(fixture.until { network.guests.count == 1 })
    #expect(network.forwards.open.count == 1)
    // One that comes back is let in, and gets its port when that is free.
    var back = request("other", forwards: [port])
    back.isReturn = true
    let (returned, waiting) = try attach(fixture, back)
    #expect(waiting.ok && waiting.forwards?.map(\.state) == [.waiting], "\(waiting)")
    channel.close()
    #expect(fixture.until { network.forwards.open.first?.guestName == "other" })
    returned.close()
    #expect(fixture.until { network.forwards.open.isEmpty && network.forwards.waiting.isEmpty })
  }

  @Test func `a guest brings no more forwards than can be counted against it`() throws {
    let fixture = try Fixture()
    let many = (0..<65).map {
      Forward(protocol: "tcp", host: "127.0.0.1:\(20_000 + $0)", guest: "80")
    }
    #expect(try attach(fixture, request("web", forwards: many)).1.error?.code == "LIMIT")
    let network = try fixture.network()
    #expect(fixture.until { network.guests.isEmpty })
  }
}

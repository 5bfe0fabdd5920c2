// SPDX-License-Identifier: Apache-2.0
//
// How forwards are: the same words and reasons wherever they are shown.

import LibC
import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("States of forwards", .serialized, .ownThread, .timeLimit(.minutes(2)))
struct ForwardStateTests {
  private func listed(_ fixture: Fixture, _ network: Network) throws -> [Forward] {
    var reported: [Forward] = []
    let listed: [Forward] = try fixture.value {
      let listed = await network.forwards.list()
      // One source: the reports of the network say the same, in the same job.
      reported = network.report(registry: nil).forwards
      return listed
    }
    #expect(reported.map(\.state) == listed.map(\.state))
    #expect(reported.map(\.reason) == listed.map(\.reason))
    return listed
  }

  private func add(_ fixture: Fixture, _ network: Network, _ forward: Forward) throws -> Forward {
    let added: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(forward)
    }
    return try added.get()
  }

  @Test(arguments: ["tcp", "udp"])
  func `a forward is open while its network runs and its guest is there`(transport: String) throws {
    let fixture = try Fixture(grace: 1_000_000_000)
    let network = try fixture.network()
    let forward = Forward(protocol: transport, host: "127.0.0.1:8080", guest: "10.0.0.9:80")
    let added = try add(fixture, network, forward)
    #expect(added.state == .waiting && added.reason == "no guest is connected")
    #expect(fixture.until { network.state == .stopped })
    #expect(try listed(fixture, network).map(\.state) == [.waiting])
    #expect(try listed(fixture, network).map(\.reason) == ["network lab is stopped"])
    let guest = try fixture.connect()
    #expect(fixture.until { network.state == .running })
    let open = try listed(fixture, network)
    #expect(open.map(\.state) == [.open] && open.map(\.reason) == [nil])
    Descriptor.close(guest)
    #expect(fixture.until { network.guests.isEmpty })
    #expect(try listed(fixture, network).map(\.state) == [.waiting])
  }

  @Test func `a forward to a guest that nobody has says so, and who is there`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    let added = try add(
      fixture, network,
      Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: "10.0.0.9:80", guestName: "NOPE"))
    #expect(added.state == .waiting)
    #expect(added.reason == "there is no guest NOPE: there is guest-1")
    let known = try add(
      fixture, network,
      Forward(protocol: "tcp", host: "127.0.0.1:8081", guest: "10.0.0.9:80", guestName: "guest-1"))
    #expect(known.state == .open && known.reason == nil)
  }

  @Test func `on a switch a forward waits for the guest that had its address`() throws {
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", "[]")
    }
    let network = try fixture.network("user-v2")
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    for address in ["192.168.104.5", "192.168.104.77"] {
      // Somebody may have configured it by hand.
      let forward = Forward(protocol: "tcp", host: "\(address):80", guest: "\(address):80")
      #expect(try add(fixture, network, forward).state == .open)
    }
    func leases(_ text: String) throws {
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", text)
      network.handle(.leasesChanged)
    }
    try leases(
      #"[{"address":"192.168.104.5","mac":"52:55:55:00:00:05","name":"a","state":"bound"}]"#)
    #expect(fixture.until { network.leases.seen.contains("192.168.104.5") })
    try leases(
      #"[{"address":"192.168.104.5","mac":"52:55:55:00:00:05","name":"","state":"bound"}]"#)
    #expect(fixture.until { !network.leases.absent.isEmpty })
    let now = try listed(fixture, network)
    #expect(now.map(\.state) == [.waiting, .open])
    #expect(now[0].reason == "the guest 192.168.104.5 is not there")
  }

  @Test func `a unix forward whose file is gone or another's says so, and what mends it does`()
    throws
  {
    let fixture = try Fixture()
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running })
    let path = fixture.root + "/web.sock"
    let forward = Forward(protocol: "unix", host: path, guest: "10.0.0.9:80")
    #expect(try add(fixture, network, forward).state == .open)
    #expect(unlink(path) == 0)
    let remedy = "lima-netd forward rm lab unix \(path), and add it again"
    var now = try listed(fixture, network)
    #expect(now.map(\.state) == [.failed])
    #expect(now.first?.reason == "somebody removed its socket's file: \(remedy)")
    // Another's socket is there, and works for whoever connects, but not as our forward.
    let stranger = try UnixSocket.serve(path: path)
    now = try listed(fixture, network)
    #expect(now.map(\.state) == [.failed])
    #expect(
      now.first?.reason
        == "somebody put another file in its socket's place: remove that, then \(remedy)")
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(forward)
    }
    #expect(throws: Never.self) { try removed.get() }
    #expect(stranger.file?.isThere == true, "a stranger's file stays")
    stranger.close()
    #expect(try add(fixture, network, forward).state == .open)
    #expect(try listed(fixture, network).map(\.state) == [.open])
  }

  @Test func `an instance's forwards are as its network has them`() throws {
    let (fixture, path) = try InstanceTests().fixture()
    let instances = fixture.supervisor.instances
    let report = try InstanceTests().up(fixture, path).get()
    #expect(
      report.forwards.map(\.reason) == Array(repeating: "the guest has no address yet", count: 2))
    let network = try fixture.network("user-v2")
    let guest = try fixture.connect("user-v2")
    try Fixture.write(
      fixture.home.networkDirectory("user-v2") + "/fake-taken", "127.0.0.1:18080\n")
    try InstanceTests().lease(fixture, report)
    network.leases.watch()
    func same() throws -> [InstanceForward] {
      let report: InstanceReport = try fixture.supervisor.instances.report("vm")
      let own = report.forwards
      let all = try listed(fixture, network)
      #expect(own.map(\.state) == all.map { $0.state ?? .failed })
      #expect(own.map(\.reason) == all.map(\.reason) && own.map(\.error) == all.map(\.error))
      return own
    }
    #expect(fixture.until { (try? instances.report("vm").forwards.last?.error) != nil })
    let one = try same()
    #expect(one.map(\.state) == [.open, .waiting])
    #expect(one[1].reason == "network user-v2: the address is taken (plugin fake)")
    Descriptor.close(guest)
    #expect(fixture.until { network.guests.isEmpty })
    #expect(try same()[0].reason == "no guest is connected")
    // Somebody takes it away by hand.
    let key = "127.0.0.1:\(report.sshLocalPort)"
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(Forward(protocol: "tcp", host: key, guest: nil))
    }
    #expect(throws: Never.self) { try removed.get() }
    let gone = try instances.report("vm").forwards[0]
    #expect(gone.state == .failed && gone.reason?.contains("removed") == true)
    let again = try InstanceTests().up(fixture, path).get()
    #expect(again.address == "192.168.104.3")
    #expect(fixture.until { network.forwards.open.contains { $0.host == key } })
    #expect(try instances.report("vm").forwards[0].reason == "no guest is connected")
  }
}

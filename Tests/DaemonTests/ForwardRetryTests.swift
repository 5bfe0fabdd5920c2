// SPDX-License-Identifier: Apache-2.0
//
// Forwards that cannot be at once: they are listed with their reason and open when they can.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("Forwards that wait", .serialized, .ownThread, .timeLimit(.minutes(2)))
struct ForwardRetryTests {
  private static func yaml(_ port: Int) -> String {
    """
    networks: [{lima: user-v2}]
    portForwards:
    - {guestPort: 80, hostPort: \(port), proto: tcp, static: true}
    """
  }

  /// Instances `a` and `b` with a forward of port 18080 each, and a guest with an address for both.
  private func fixture() throws -> Fixture {
    try UsernetFilesTests.fixture { fixture in
      for name in ["a", "b"] {
        try Fixture.write("\(fixture.home.path)/\(name)/lima.yaml", Self.yaml(18080))
      }
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", "[]")
    }
  }

  private func take(_ fixture: Fixture, _ addresses: [String], _ network: String = "user-v2") throws
  {
    try Fixture.write(
      fixture.home.networkDirectory(network) + "/fake-taken",
      addresses.map { $0 + "\n" }.joined())
  }

  private func up(_ fixture: Fixture, _ name: String) throws -> InstanceReport {
    let asked = InstanceRequest(path: "\(fixture.home.path)/\(name)")
    let result: Result<InstanceReport, ErrorReport> = try fixture.result {
      try await fixture.supervisor.instances.up(asked)
    }
    return try result.get()
  }

  private func lease(_ fixture: Fixture, _ reports: InstanceReport...) throws {
    let leases = reports.enumerated().map {
      #"{"address":"192.168.104.\#($0.offset + 3)","mac":"\#($0.element.interfaces[0].mac)","state":"bound"}"#
    }
    try Fixture.write(
      fixture.home.networkDirectory("user-v2") + "/fake-leases",
      "[\(leases.joined(separator: ","))]")
    try fixture.network("user-v2").handle(.leasesChanged)
  }

  private func state(_ fixture: Fixture, _ name: String) -> InstanceForward? {
    (try? fixture.supervisor.instances.report(name))?.forwards.last
  }

  @Test func `an instance's forward whose port is taken is listed with the reason and opens later`()
    throws
  {
    let fixture = try fixture()
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    try take(fixture, ["127.0.0.1:18080"])
    try lease(fixture, try up(fixture, "a"))
    #expect(fixture.until { state(fixture, "a")?.error != nil })
    #expect(state(fixture, "a")?.state == .waiting)
    let reason = "network user-v2: the address is taken (plugin fake)"
    #expect(state(fixture, "a")?.error == reason)
    let network = try fixture.network("user-v2")
    let listed: [Forward] = try fixture.value { await network.forwards.list() }
    #expect(listed.first { $0.host == "127.0.0.1:18080" }?.error == reason)
    #expect(network.report(registry: nil).forwards.contains { $0.error == reason })
    // Once for each time it is refused for another reason, not for each attempt.
    fixture.pass(1.5)
    #expect(fixture.log.lines.all.count { $0.contains("the address is taken") } == 1)
    try take(fixture, [])
    #expect(fixture.until(30) { state(fixture, "a")?.state == .open })
    #expect(state(fixture, "a")?.error == nil)
    #expect(network.forwards.open.contains { $0.host == "127.0.0.1:18080" && $0.error == nil })
    #expect(network.forwards.waiting.isEmpty)
  }

  @Test func `a forward that a new process cannot open is tried again until it works`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    network.demand.isPinned = true
    let forward = Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: "10.0.0.9:80")
    let added: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(forward)
    }
    #expect(try added.get().host == forward.host && network.forwards.open == [forward])
    try take(fixture, ["127.0.0.1:8080"], "lab")
    ChildProcess.kill(try #require(network.link?.pid), 9)
    #expect(fixture.until { network.forwards.open.first?.error != nil })
    #expect(fixture.log.lines.all.contains { $0.contains("it is tried again") })
    try take(fixture, [], "lab")
    #expect(fixture.until(30) { network.forwards.open == [forward] })
    #expect(fixture.log.lines.all.contains { $0.contains("works again") })
  }

  @Test
  func `of two instances with one port the second is warned, and gets it when the first goes`()
    throws
  {
    let fixture = try fixture()
    let guest = try fixture.connect("user-v2")
    defer { Descriptor.close(guest) }
    let a = try up(fixture, "a")
    try lease(fixture, a)
    #expect(fixture.until { state(fixture, "a")?.state == .open })
    let b = try up(fixture, "b")
    let warning =
      "portForwards: tcp 127.0.0.1:18080 is instance a's, too: only one of the two can be open, "
      + "the other waits until it is free"
    #expect(b.warnings == [warning])
    #expect(fixture.log.lines.all.contains { $0.contains(warning) })
    try lease(fixture, a, b)
    #expect(fixture.until { state(fixture, "b")?.error != nil })
    #expect(state(fixture, "b")?.state == .waiting)
    #expect(
      state(fixture, "b")?.error?.contains("already, to 192.168.104.3:80 (for instance a)") == true)
    #expect(state(fixture, "a")?.state == .open)
    #expect(try fixture.ask("DELETE", "/v1/instances/a").status == 204)
    #expect(fixture.until { state(fixture, "b")?.state == .open })
    #expect(try fixture.supervisor.instances.report("b").warnings.isEmpty)
    let network = try fixture.network("user-v2")
    #expect(
      network.forwards.open.first { $0.host == "127.0.0.1:18080" }?.guest == "192.168.104.4:80")
    // The one that ends while it waits leaves nothing behind.
    let again = try up(fixture, "a")
    try lease(fixture, again, b)
    #expect(fixture.until { state(fixture, "a")?.error != nil })
    #expect(try fixture.ask("DELETE", "/v1/instances/a").status == 204)
    #expect(network.forwards.waiting.isEmpty)
  }

  @Test func `what makes no sense is listed and not tried again, and rm takes it back`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    network.forwards.set(
      [Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: nil)], of: "test")
    #expect(network.forwards.listed.map(\.state) == [.failed])
    #expect(network.forwards.waiting.map(\.isFinal) == [true])
    #expect(
      network.forwards.listed.map(\.error) == [
        "a forward needs the guest's address, as 192.168.5.15:80"
      ])
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(
        Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: nil))
    }
    #expect(throws: Never.self) { try removed.get() }
    #expect(network.forwards.listed.isEmpty)
  }

  @Test func `port 0 is listed, kept and taken back as the port that was chosen`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let asked = Forward(protocol: "tcp", host: "127.0.0.1:0", guest: "10.0.0.9:80")
    var hosts: [String] = []
    for _ in 0..<2 {
      let added: Result<Forward, ErrorReport> = try fixture.result {
        try await network.forwards.add(asked)
      }
      hosts.append(try added.get().host)
    }
    #expect(hosts == ["127.0.0.1:40000", "127.0.0.1:40001"])
    #expect(network.forwards.open.map(\.host) == hosts)
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(network.forwards.open[0])
    }
    #expect(throws: Never.self) { try removed.get() }
    #expect(fixture.requests().last == "unexpose 127.0.0.1:40000")
    let socket = fixture.home.networkSockets("lab").endpoint
    let body = #"{"local":":0","remote":"10.0.0.9:80"}"#
    #expect(try fixture.ask("POST", "/services/forwarder/expose", body, at: socket).status == 200)
    let all = try fixture.ask("GET", "/services/forwarder/all", at: socket).body
    #expect(all.contains(#""local":":40001""#), "\(all)")
    #expect(try fixture.ask("POST", "/services/forwarder/unexpose", body, at: socket).status == 200)
    #expect(fixture.requests().last == "unexpose *:40001")
  }

  @Test(arguments: [
    Forward(protocol: "unix", host: "/tmp/a\0b", guest: "10.0.0.9:80"),
    Forward(protocol: "tcp", host: "127.0.0.1:80\080", guest: "10.0.0.9:80"),
    Forward(protocol: "tcp", host: "127.0.0.1:80", guest: "10.0.0.9:80\0"),
    Forward(protocol: "tcp", host: "127.0.0.1:80", guest: "10.0.0.9:80", guestName: "a\0"),
  ])
  func `a NUL anywhere in a forward is refused`(forward: Forward) throws {
    let error = #expect(throws: ErrorReport.self) { try forward.spec(needsGuest: true) }
    #expect(error?.code == "INVALID_CONFIG" && error?.message.contains("NUL") == true)
  }

  @Test func `an API zone's record follows its guest at once`() throws {
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", "[]")
    }
    let network = try fixture.network("user-v2")
    network.demand.isPinned = true
    network.start()
    #expect(fixture.until { network.state == .running })
    let socket = fixture.home.networkSockets("user-v2").endpoint
    #expect(
      try fixture.ask(
        "POST", "/services/dns/add",
        #"{"Name":"corp.","Records":[{"Name":"web","IP":"192.168.104.5"}]}"#, at: socket
      ).status == 200)
    func leases(_ text: String) throws {
      try Fixture.write(fixture.home.networkDirectory("user-v2") + "/fake-leases", text)
      network.handle(.leasesChanged)
    }
    // Far from any time at which somebody would look by himself.
    network.leases.rest()
    let here = #"[{"address":"192.168.104.5","mac":"52:55:55:00:00:05","state":"bound"}]"#
    let with = #"names api corp.["web=192.168.104.5"]"#
    try leases(here)
    #expect(fixture.until { network.leases.seen.contains("192.168.104.5") })
    try leases("[]")
    #expect(fixture.until { fixture.requests("user-v2").last == "names api corp.[]" })
    try leases(here)
    #expect(fixture.until { fixture.requests("user-v2").last == with })
  }
}

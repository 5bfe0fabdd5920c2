// SPDX-License-Identifier: Apache-2.0
//
// What reload answers, what is known of guests, and of conflicts.

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct ServiceRequestTests {
  private static func configuration(_ text: String) throws -> Configuration {
    try ConfigDecoder.decode(Array(text.utf8), file: "/n.yaml", homeDirectory: "/h")
  }

  @Test
  func
    `what a plugin refuses of the file that is there at the start is told as of one that is read again`()
    throws
  {
    let fixture = try Fixture(config: Fixture.oneNetwork("taste: sour"))
    let network = try fixture.network()
    func told() -> String {
      network.report(registry: fixture.supervisor.plugins.registry).error?.message ?? ""
    }
    #expect(fixture.until { told().contains("networks.yaml:4:") && told().contains("is sour") })
    #expect(network.state == .stopped)
  }

  @Test func `what changed is told network by network, and whether it holds`() throws {
    let before = try Self.configuration(
      "networks:\n  a: {mode: slirp}\n  b: {mode: slirp}\n  c: {mode: slirp}\n  d: {mode: slirp}\n")
    let after = try Self.configuration(
      """
      plugins: [/p]
      networks:
        a: {mode: slirp, options: {mtu: 9000}, sandbox: off, egress: internet, gateway: 10.9.0.1}
        b: {mode: slirp, dns: {ipv6: false, hosts: {x.internal: 10.0.0.1}}}
        d: {mode: user-v2}
        e: {mode: slirp}
      """)
    let changes = ReloadChanges.between(before, after) {
      NetworkStanding(waiting: $0 == "a" ? ["sandbox"] : [])
    }
    #expect(
      changes.map { [$0.name ?? $0.subject, $0.change, $0.keys.joined(separator: " ")] } == [
        ["plugins", "changed", ""], ["a", "changed", "gateway netmask sandbox egress options.mtu"],
        ["b", "changed", "dns.ipv6 dns.hosts"], ["c", "removed", ""], ["d", "changed", "mode"],
        ["e", "added", ""],
      ])
    #expect(changes.filter { !$0.holdsNow }.map(\.name) == ["a"])
    // The next reading finds no change, and one network that still waits.
    #expect(
      ReloadChanges.unsettled(after, without: []) {
        NetworkStanding(waiting: $0 == "a" ? ["sandbox"] : [])
      }.map { [$0.name, $0.change] + $0.waiting } == [["a", "unchanged", "sandbox"]])
  }

  @Test func `a reload is answered by the reading that began after it`() throws {
    let loop = try EventLoop()
    let actor = LoopActor.running(loop)
    let service = ServiceRequests()
    var answers: [String] = []
    func ask() {
      actor.begin {
        do throws(ErrorReport) {
          answers.append(try await service.reading {}.changes.first?.name ?? "none")
        } catch {
          answers.append(error.message == "the daemon stops" ? "stops" : "?")
        }
      }
      loop.turn(limit: 0)
    }
    func report(_ change: String) -> Result<ReloadReport, ErrorReport> {
      .success(
        ReloadReport(
          file: "", present: true, changes: [.init("network", change, change: "added")]))
    }
    ask()
    // One reading is under way, and ours comes after it.
    service.expect(2)
    let before = service.begin()
    let ours = service.begin()
    // A network may answer late what the first one asks of it.
    service.end(ours) { report("ours") }
    #expect(answers.isEmpty)
    service.end(before) { report("before") }
    loop.turn(limit: 0)
    #expect(answers == ["ours"])
    #expect(service.last?.changes.map(\.name) == ["ours"])
    ask()
    service.stops()
    ask()
    #expect(answers == ["ours", "stops", "stops"])
  }

  @Test func `what several sources know of a guest comes together`() throws {
    var port = PortStatus(id: 2, name: "guest-2", kind: "stream")
    port.rxFrames = 3
    port.rxBytes = 300
    port.drops = 1
    port.counters = ["txQueueFull": 1]
    let guests = GuestDetails.join(
      network: "lab",
      [
        GuestReport(
          id: 1, name: "web", transport: "tap", mac: "52:55:55:00:00:01", since: "t"),
        GuestReport(id: 2, name: "guest-2", transport: "stream", mac: nil, since: "t"),
      ],
      ports: [port],
      stations: ["52:55:55:00:00:01": 1, "52:55:55:00:00:02": 2, "52:55:55:00:00:09": 0],
      leases: [
        LeaseReport(
          network: "lab", address: "192.168.104.3", mac: "52:55:55:00:00:02", name: "other",
          hostname: "lima-vm", state: "bound"),
        LeaseReport(network: "lab", address: "192.168.104.4", mac: nil, name: "web"),
      ])
    #expect(guests[0].macs == ["52:55:55:00:00:01"])
    #expect(guests[0].addresses == ["192.168.104.4"])
    #expect(guests[0].fromGuest == nil)
    #expect(guests[1].macs == ["52:55:55:00:00:02"])
    #expect(guests[1].addresses == ["192.168.104.3"] && guests[1].hostname == "lima-vm")
    #expect(guests[1].fromGuest == .init(frames: 3, bytes: 300))
    #expect(guests[1].drops == 1 && guests[1].reasons == ["txQueueFull": 1])

    // Of one that the switch has not seen lately, or that has no switch, the lease tells.
    let quiet = GuestDetails.join(
      network: "lab",
      [GuestReport(id: 3, name: "guest-3", transport: "stream", mac: nil, since: "t")],
      leases: [
        LeaseReport(
          network: "lab", address: "192.168.104.5", mac: "52:55:55:00:00:0A", name: "guest-3",
          state: "bound"),
        LeaseReport(
          network: "lab", address: "fd67:33a3:497c::a:5", mac: "52:55:55:00:00:0A",
          name: "guest-3", state: "bound"),
        LeaseReport(
          network: "lab", address: "192.168.104.6", mac: "52:55:55:00:00:0b", name: "guest-3",
          state: "declined"),
      ])
    #expect(quiet[0].macs == ["52:55:55:00:00:0a"])
    #expect(quiet[0].addresses == ["192.168.104.5", "fd67:33a3:497c::a:5"])
    // However they are spelled (RFC 4291 §2.2).
    for word in [
      "fd67:33a3:497c::a:5", "FD67:33A3:497C:0:0::000A:0005", "[fd67:33a3:497c::a:5]",
      "fd67:33a3:497c::0.10.0.5", "::ffff:192.168.104.5",
    ] {
      #expect(try GuestDetails.find(word, of: quiet, network: "lab").id == 3, "\(word)")
    }
    #expect(throws: ErrorReport.self) {
      try GuestDetails.find("fd67:33a3:497c::a:6", of: quiet, network: "lab")
    }

    for word in [
      "2", "guest-2", "52:55:55:00:00:02", "lima-vm", "192.168.104.3", "lima-vm.internal",
      "Lima-VM.internal.", "lima-guest-2.internal", "guest-2.internal",
    ] {
      #expect(try GuestDetails.find(word, of: guests, network: "lab").id == 2, "\(word)")
    }
    #expect(throws: ErrorReport.self) {
      try GuestDetails.find("gest-2", of: guests, network: "lab")
    }
  }

  @Test func `where guests are alone their leases say whose they are, also while only offered`()
    throws
  {
    let reports = [4, 5].map {
      GuestReport(id: $0, name: "guest-\($0)", transport: "stream", mac: nil, since: "t")
    }
    let guests = GuestDetails.join(
      network: "default", reports,
      leases: reports.map {
        LeaseReport(
          network: "default", address: "192.168.5.15", mac: "52:55:55:00:00:0\($0.id)",
          name: $0.name, hostname: $0.id == 4 ? "one" : "", state: "offered")
      })
    #expect(guests.map(\.macs) == [["52:55:55:00:00:04"], ["52:55:55:00:00:05"]])
    #expect(guests.map(\.addresses) == [["192.168.5.15"], ["192.168.5.15"]])
    for word in ["52:55:55:00:00:04", "one", "one.internal"] {
      #expect(try GuestDetails.find(word, of: guests, network: "default").id == 4, "\(word)")
    }
    do throws(ErrorReport) {
      _ = try GuestDetails.find("onne", of: guests, network: "default")
      Issue.record("nobody is called onne")
    } catch {
      #expect(error.message.hasSuffix("did you mean `one`?"))
    }
  }

  @Test func `a network's conflicts are read from its log, each once, since its process began`() {
    let log = """
      2026-01-01T00:00:01.000Z WARN  switch: guest 1 (a) sends as 52:55:55:00:00:01, which is another's: dropped
      2026-01-01T00:00:05.000Z WARN  switch: guest 2 (b) sends as 52:55:55:00:00:01, which is another's: dropped
      2026-01-01T00:00:06.000Z INFO  switch: not a warning
      2026-01-01T00:00:07.000Z WARN  plugin slirp: not the switch's
      2026-01-01T00:00:08.000Z WARN  switch: guest 2 (b) sends as 52:55:55:00:00:01, which is another's: dropped (4 more like it were not logged)
      2026-01-01T00:00:09.000Z WARN  switch: guest 3 (c) speaks as a DHCP server, which it is not: dropped
      2026-01-01T00:00:09.500Z WARN  network plugin userv2: 52:55:55:00:00:03 does not get the name db.internal: 52:55:55:00:00:01 has it
      2026-01-01T00:00:09.600Z WARN  network plugin userv2: 52:55:55:00:00:02 does not get the name web.internal: it is the host's
      2026-01-01T00:00:09.700Z INFO  network plugin userv2: 52:55:55:00:00:03 now has the name db.internal
      2026-01-01T00:00:10.000Z WARN  network plugin userv2: 52:55:55:00:00:02 does not get the name web.internal: 52:55:55:00:00:01 has it
      """
    let notes = NetworkNotes.notes(log, network: "lab", since: "2026-01-01T00:00:05.000Z")
    #expect(
      notes.map(\.time) == [
        "2026-01-01T00:00:08.000Z", "2026-01-01T00:00:09.000Z", "2026-01-01T00:00:10.000Z",
      ])
    #expect(
      notes.first?.text == "guest 2 (b) sends as 52:55:55:00:00:01, which is another's: dropped")
    // A refusal holds until the guest has the name or wants it no more; of each the last is told.
    #expect(notes.last?.text.contains("52:55:55:00:00:02 does not get the name web") == true)
    #expect(notes.allSatisfy { $0.remedy != nil && $0.network == "lab" })
  }
}

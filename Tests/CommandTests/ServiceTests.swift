// SPDX-License-Identifier: Apache-2.0
//
// The service's files, and what of the daemon's answers is said.

import Testing

@testable import Daemon
@testable import lima_netd

@Suite(.timeLimit(.minutes(1))) struct ServiceTests {
  private static let plan = ServicePlan(
    executable: "/usr/bin/lima-netd", home: LimaHome(path: "/home/u/.lima"), isUsualHome: true,
    networks: ["default", "lab"])

  @Test func `the socket unit has the sockets of all networks, and of the daemon`() {
    let lines = SystemdUnits(plan: Self.plan).socket.split(separator: "\n")
    #expect(lines.contains("ListenStream=/home/u/.lima/_networks/lima-netd.sock"))
    #expect(lines.contains("ListenStream=/home/u/.lima/_networks/lima-netd_attach.sock"))
    for network in ["default", "lab"] {
      let stem = "/home/u/.lima/_networks/\(network)/\(network)"
      #expect(lines.contains("ListenStream=\(stem)_qemu.sock"))
      #expect(lines.contains("ListenStream=\(stem)_fd.sock"))
      #expect(lines.contains("ListenDatagram=\(stem)_unixgram.sock"))
    }
  }

  @Test func `a unit's text says which networks it has sockets of`() {
    let text = SystemdUnits(plan: Self.plan).socket
    #expect(
      SystemdUnits.networks(in: text, home: Self.plan.home, of: ["default", "lab", "new", "la"])
        == ["default", "lab"])
  }

  @Test func `words that mean something to systemd stand for themselves`() {
    #expect(SystemdUnits.command(["/a/b", "--lima-home", "/x"]) == "/a/b --lima-home /x")
    #expect(
      SystemdUnits.command(["/a b", "50%", "$HOME", "a\"b\\c"])
        == #""/a b" "50%%" "$$HOME" "a\"b\\c""#)
    #expect(SystemdUnits.path("/h/100%") == "/h/100%%")
  }

  @Test func `another home than the usual one is named in the service`() {
    var plan = Self.plan
    #expect(!SystemdUnits(plan: plan).service.contains("--lima-home"))
    plan.isUsualHome = false
    let service = SystemdUnits(plan: plan).service
    #expect(service.contains("ExecStart=/usr/bin/lima-netd serve --lima-home /home/u/.lima\n"))
    #expect(service.contains("ExecReload=/usr/bin/lima-netd reload --lima-home /home/u/.lima\n"))
    #expect(LaunchAgent.text(plan).contains("<string>/home/u/.lima</string>"))
  }

  @Test func `a process is the service's by its control groups`() {
    #expect(
      Systemd.runs(
        cgroups: "1:name=systemd:/user.slice/x\n0::/user.slice/app.slice/lima-netd.service\n"))
    #expect(!Systemd.runs(cgroups: "0::/user.slice/app.slice/my-lima-netd.service.d/x\n"))
    #expect(!Systemd.runs(cgroups: ""))
  }

  @Test func `what systemctl shows is read key by key`() {
    #expect(Systemd.properties("A=b\nC=\nD=e=f\n\nnone") == ["A": "b", "D": "e=f"])
  }

  @Test func `a reload says what changed, and when it holds`() {
    var report = ReloadReport(
      file: "/h/networks.yaml", present: true,
      changes: [
        .init("network", "new", change: "added").with(.init(error: .init(.notFound, "no plugin"))),
        .init("network", "lab", change: "changed", keys: ["egress", "options.mtu", "dns.ipv6"])
          .with(
            .init(
              waiting: ["mode", "options.mtu"],
              refused: [.init(keys: ["egress"], code: "INVALID_CONFIG", message: "no preset")])),
        .init("network", "old", change: "removed"),
        .init("plugins", change: "changed"),
      ], earlier: nil)
    #expect(
      Reload.text(report, home: " --lima-home /h") == """
        /h/networks.yaml:
          network new added
            it cannot start: no plugin
          network lab changed: dns.ipv6: in force
          network lab changed: mode, options.mtu: from its next start on. Now, though its guests lose their connection:  \
        lima-netd network stop lab --lima-home /h && lima-netd network start lab --lima-home /h
          network lab changed: egress: refused, and it runs on with what it has: no preset
          network old removed
          plugin folders changed
        """)
    #expect(Reload.isRefused(report))
    report.changes = []
    #expect(Reload.text(report, home: "") == "/h/networks.yaml: nothing has changed")
    #expect(!Reload.isRefused(report))
    // What was not done by an earlier change is told until it is.
    report.changes = [
      .init("network", "lab", change: "unchanged", keys: ["mode"]).with(.init(waiting: ["mode"]))
    ]
    #expect(
      Reload.text(report, home: "").hasPrefix(
        "/h/networks.yaml: nothing has changed\n  network lab as before: mode: from its next start on."
      ))
    #expect(!Reload.isRefused(report))
  }
}

@Suite(.timeLimit(.minutes(1))) struct LogTests {
  @Test func `lines of two logs come in the order of time, each with what belongs to it`() {
    let daemon = LogEntry.parse(
      """
      2026-01-01T00:00:01.000Z INFO     network lab: one
      2026-01-01T00:00:02.000Z ERROR    network other: no
          not this either
      2026-01-01T00:00:04.000Z ERROR    network lab: two
          and why
      """, filter: { $0.contains(" network lab: ") })
    let network = LogEntry.parse(
      "2026-01-01T00:00:03.500Z WARN  switch: between\nprinted by a plugin\n", filter: nil)
    #expect(
      LogEntry.merged([daemon, network]).map(\.text) == [
        "2026-01-01T00:00:01.000Z INFO     network lab: one",
        "2026-01-01T00:00:03.500Z WARN  switch: between",
        "printed by a plugin",
        "2026-01-01T00:00:04.000Z ERROR    network lab: two\n    and why",
      ])
  }

  @Test func `a log cannot command the terminal`() {
    #expect(LogEntry.parse("x\u{1b}[2J", filter: nil).map(\.text) == ["x?[2J"])
  }
}

@Suite(.timeLimit(.minutes(1))) struct GuestTextTests {
  @Test(
    arguments: [
      (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_550_000, "1.5 MB"),
      (12_000_000_000, "12 GB"),
      (UInt64.max, "18446 PB"),
    ] as [(UInt64, String)])
  func `bytes are told in thousands`(bytes: UInt64, text: String) {
    #expect(GuestText.size(bytes) == text)
  }

  @Test func `what a guest calls itself is listed where it is another name`() {
    var guest = GuestDetail(
      network: "default", id: 4, name: "tap-15745", hostname: "one", transport: "tap",
      macs: ["52:55:55:00:00:01"], addresses: ["192.168.5.15"], since: "t",
      fromGuest: .init(frames: 1, bytes: 999), toGuest: .init(frames: 1, bytes: 1500), drops: 0)
    let lines = GuestText.table([guest]).split(separator: "\n")
    #expect(lines[0].contains("GUEST      HOSTNAME") && lines[1].contains("tap-15745  one "))
    #expect(lines.allSatisfy { $0.count <= 80 }, "\(lines)")
    guest.hostname = "tap-15745"
    #expect(!GuestText.table([guest]).contains("HOSTNAME"))
  }

  @Test func `a guest is told with its drops, by reason`() {
    let guest = GuestDetail(
      network: "lab", id: 3, name: "web", hostname: "lima-web", transport: "tap",
      macs: ["52:55:55:00:00:01"], addresses: ["192.168.104.3"], since: "2026-01-01T00:00:00.000Z",
      mtu: 1500, fromGuest: .init(frames: 1, bytes: 60), toGuest: .init(frames: 2, bytes: 3000),
      drops: 4, reasons: ["txQueueFull": 4])
    #expect(
      GuestText.details(guest) == """
        web of lab, guest 3
          hostname   lima-web
          addresses  192.168.104.3
          mac        52:55:55:00:00:01
          link       tap, MTU 1500
          since      2026-01-01T00:00:00.000Z
          sent       60 B in 1 frame
          got        3.0 kB in 2 frames
          drops      4
                     4 for the guest, more than its queue takes: it reads too slowly
        """)
  }
}

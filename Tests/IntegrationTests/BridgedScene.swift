// SPDX-License-Identifier: Apache-2.0
//
// A LAN of the test's own, with a host on it that has a bridge, and a daemon:
//
//   guests ── daemon ── lnUID-lan ── br0, 10.44.0.2 ── lan ══ eth0, 10.44.0.1 another machine: DHCP, DNS, web
//
// The bridge is Linux's, or one of an Open vSwitch of the test's own (its own database, sockets and logs, and the
// userspace datapath, which needs no module of the kernel's).

import Foundation
import Testing

/// A network namespace beside the host's, whose owner is the same.
final class BridgedMachine {
  let processIdentifier: Int32
  private let holder: RunningCommand

  /// - Parameter user: words that make its owner somebody else.
  init(beside host: Namespace, user: [String] = []) throws {
    let words =
      host.wrapper + user + ["unshare", user.isEmpty ? "-n" : "-Urn", "sh", "-c"]
      + ["ip link set lo up; echo up $$; exec sleep 600"]
    let holder = try RunningCommand(words[0], Array(words.dropFirst()))
    self.holder = holder
    guard eventually({ holder.output.contains("up") }),
      let pid = Int32(holder.output.split(whereSeparator: \.isWhitespace).last ?? "")
    else { throw TestFailure("no namespace: \(holder.errors)") }
    processIdentifier = pid
  }

  var wrapper: [String] {
    let target = ["nsenter", "-t", "\(processIdentifier)", "-n"]
    return getuid() == 0 ? target : target + ["-U", "--preserve-credentials"]
  }

  @discardableResult
  func shell(_ script: String, seconds: Double = 30) throws -> CommandResult {
    let words = wrapper + ["sh", "-c", script]
    return try run(words[0], Array(words.dropFirst()), seconds: seconds)
  }

  func remove() { holder.stop() }
}

final class BridgedScene {
  enum Bridge { case linux, openVSwitch }

  let host: Namespace
  let machine: BridgedMachine
  let daemon: TestDaemon
  let folder: String
  private(set) var running: [RunningCommand] = []
  private let user: [String]
  private var machines: [BridgedMachine] = []

  static func configuration(_ options: String = "") -> String {
    """
    networks:
      lan:
        mode: bridged
        interface: br0
    \(options)
    """
  }

  /// - Parameters:
  ///   - options: lines of the network's, behind `interface`.
  ///   - user: words that make the daemon somebody else.
  ///   - dhcp: the machine serves DHCP, DNS and a page.
  init(
    _ bridge: Bridge, options: String = "", user: [String] = [], dhcp: Bool = true,
    start: Bool = true
  ) throws {
    self.user = user
    folder = "/tmp/lndb\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(
      atPath: folder + "/www", withIntermediateDirectories: true)
    try run("chmod", ["755", folder])
    try "the machine".write(toFile: folder + "/www/index.html", atomically: true, encoding: .utf8)
    host = try Namespace()
    machine = try BridgedMachine(beside: host)
    if !FileManager.default.fileExists(atPath: Installation.tapHelper) {
      let built = try run(
        Installation.root + "/Scripts/build-tap", [Installation.tapHelper], seconds: 60)
      guard built.succeeded else { throw TestFailure("\(built)") }
    }
    daemon = try TestDaemon(
      configuration: Self.configuration(options),
      wrapper: host.wrapper + ["env", "OVS_RUNDIR=\(folder)"] + user, start: false)
    // What Open vSwitch's userspace reads from a wire has to be whole, as from a real one.
    try prepare(
      """
      ip link add lan type veth peer name eth0 netns \(machine.processIdentifier)
      ip link set lan up
      """)
    try prepare(
      machine,
      """
      ip addr add 10.44.0.1/24 dev eth0
      ethtool -K eth0 tx off >/dev/null
      ip link set eth0 up
      """)
    switch bridge {
    case .linux: try prepare("ip link add br0 type bridge; ip link set lan master br0")
    case .openVSwitch:
      try startSwitch()
      try prepare(
        """
        export OVS_RUNDIR=\(folder)
        ovs-vsctl --timeout=10 add-br br0 -- set bridge br0 datapath_type=netdev -- add-port br0 lan
        """)
    }
    try prepare("ip addr add 10.44.0.2/24 dev br0; ip link set br0 up")
    if dhcp { try serve(machine) }
    if start { try daemon.start() }
  }

  private func prepare(_ script: String) throws {
    let result = try host.shell("set -e\n" + script)
    guard result.succeeded else { throw TestFailure("\(result)") }
  }

  private func prepare(_ machine: BridgedMachine, _ script: String) throws {
    let result = try machine.shell("set -e\n" + script)
    guard result.succeeded else { throw TestFailure("\(result)") }
  }

  /// An Open vSwitch that ends with the scene: its parts die with their shell, which the scene ends.
  func startSwitch() throws {
    let script = """
      set -e
      cd \(folder)
      export OVS_RUNDIR=\(folder) OVS_LOGDIR=\(folder) OVS_DBDIR=\(folder) OVS_SYSCONFDIR=\(folder)
      [ -e conf.db ] || ovsdb-tool create conf.db
      setpriv --pdeathsig KILL ovsdb-server conf.db --remote=punix:db.sock --unixctl=ovsdb.ctl \
        --log-file=ovsdb.log -vconsole:off </dev/null &
      for i in $(seq 100); do [ -S db.sock ] && break; sleep 0.05; done
      ovs-vsctl --timeout=5 --no-wait init
      setpriv --pdeathsig KILL ovs-vswitchd unix:db.sock --unixctl=vswitchd.ctl \
        --log-file=vswitchd.log -vconsole:off </dev/null &
      echo started
      wait
      """
    let command = try begin(host.wrapper, ["sh", "-c", script])
    guard eventually({ command.output.contains("started") }) else {
      throw TestFailure("no Open vSwitch: \(command.errors)")
    }
    openVSwitch = command
  }

  private var openVSwitch: RunningCommand?

  func stopSwitch() {
    openVSwitch?.stop()
    try? FileManager.default.removeItem(atPath: folder + "/db.sock")
  }

  /// The LAN's DHCP server, DNS server and a web server, at 10.44.0.1.
  private func serve(_ machine: BridgedMachine) throws {
    // Behind a shell: dnsmasq closes all descriptors, which Foundation takes for its end.
    let server = try begin(
      machine.wrapper,
      [
        "sh", "-c",
        "setpriv --pdeathsig KILL dnsmasq --keep-in-foreground --conf-file=/dev/null --no-resolv "
          + "--no-hosts --user= --group= --pid-file= --no-ping --dhcp-authoritative "
          + "--interface=eth0 --bind-interfaces --dhcp-range=10.44.0.100,10.44.0.120,5m "
          + "--dhcp-leasefile=\(folder)/leases --host-record=www.lan.test,10.44.0.1 "
          + "--log-facility=\(folder)/dnsmasq.log; :",
      ])
    let web = try begin(
      machine.wrapper,
      ["python3", "-u", "-m", "http.server", "8000", "--directory", folder + "/www"])
    guard eventually({ web.output.contains("Serving") && server.process.isRunning }) else {
      throw TestFailure("no servers: \(web.errors)\(server.errors)")
    }
  }

  @discardableResult
  func begin(_ wrapper: [String], _ words: [String]) throws -> RunningCommand {
    let all = wrapper + words
    let command = try RunningCommand(
      all[0], Array(all.dropFirst()), environment: daemon.environment)
    running.append(command)
    return command
  }

  /// A machine of its own on the network, with the lease that a DHCP client got, and its name as a page on port 8000.
  func guest(_ name: String) throws -> (machine: BridgedMachine, address: String) {
    let guest = try BridgedMachine(beside: host, user: user)
    machines.append(guest)
    // Two scenes may have one LAN.
    let mac = "52:55:55:44:\(UInt8.random(in: 10...99)):\(UInt8.random(in: 10...99))"
    running.append(
      try daemon.begin(
        "attach", "lan", "--netns", "/proc/\(guest.processIdentifier)/ns/net", "--no-config",
        "--name", name, "--tap", "lan0", "--mac", mac))
    let attached = running[running.count - 1]
    guard eventually({ attached.output.contains("lan0") }) else {
      throw TestFailure("no guest: \(attached.errors)\n\(daemon.log)")
    }
    let lease = try guest.shell(
      """
      ip link set lan0 up
      busybox udhcpc -i lan0 -q -n -f -t 10 -T 1 -s \(Installation.fixtures)/udhcpc.script
      """)
    guard let found = lease.output.firstMatch(of: /lease (10\.44\.0\.\d+)\/24 router 10\.44\.0\.1/)
    else { throw TestFailure("no lease: \(lease)\n\(daemon.log)\n\(daemon.log(of: "lan"))") }
    let page = folder + "/" + name
    try FileManager.default.createDirectory(atPath: page, withIntermediateDirectories: true)
    try "guest \(name)".write(toFile: page + "/index.html", atomically: true, encoding: .utf8)
    let web = try begin(
      guest.wrapper, ["python3", "-u", "-m", "http.server", "8000", "--directory", page])
    guard eventually({ web.output.contains("Serving") }) else {
      throw TestFailure("no web server: \(web.errors)")
    }
    return (guest, String(found.1))
  }

  /// A virtual machine on the network: its lease, what it reaches, and that it is reached; it ends when it was.
  func virtualMachine() throws -> (seen: CommandResult, result: CommandResult) {
    let file = folder + "/job"
    try """
    udhcpc -i eth0 -q -n -t 20 -T 1 -f -s /etc/udhcpc.script >/dev/null 2>&1
    cat /run/lease
    ping -c 2 -W 5 10.44.0.1
    nslookup -type=a www.lan.test | tail -2
    wget -q -O - http://10.44.0.1:8000/; echo
    mkdir /tmp/www; echo the virtual machine >/tmp/www/index.html
    httpd -p 80 -h /tmp/www
    for i in $(seq 100); do wget -q -O - http://10.44.0.1:8000/done && break; sleep 0.3; done
    """.write(toFile: file, atomically: true, encoding: .utf8)
    try? FileManager.default.removeItem(atPath: folder + "/www/done")
    let command = try begin(
      [],
      [
        Installation.root + "/Tests/Guest/run-guest", "-t", "120", "-d", "52:55:55:44:00:aa",
        Installation.guest, "stream,addr.type=unix,addr.path=\(daemon.socket("qemu", of: "lan"))",
        file,
      ])
    var address: Substring?
    _ = eventually(within: 90) {
      let leases = (try? String(contentsOfFile: folder + "/leases", encoding: .utf8)) ?? ""
      let line = leases.split(separator: "\n").first { $0.contains("52:55:55:44:00:aa") }
      address = line?.split(separator: " ").dropFirst(2).first
      return address != nil || !command.process.isRunning
    }
    let there = address.map(String.init) ?? "no.address"
    let seen = try machine.shell(
      """
      for i in $(seq 60); do curl -sS -m 5 http://\(there)/ 2>/dev/null && break; sleep 0.5; done
      ping -c 2 -W 5 \(there)
      """, seconds: 60)
    try "done".write(toFile: folder + "/www/done", atomically: true, encoding: .utf8)
    return (seen, command.wait(seconds: 120))
  }

  /// The ports of the switch's bridge.
  func ports() throws -> [String] {
    let result = try vsctl("list-ports br0")
    return result.output.split(separator: "\n").map(String.init)
  }

  @discardableResult
  func vsctl(_ words: String) throws -> CommandResult {
    try host.shell("OVS_RUNDIR=\(folder) ovs-vsctl --timeout=10 \(words)")
  }

  /// What the host has that outlives processes.
  func hostState() throws -> String {
    try host.shell("ip -o link; ip -o addr; ip route; bridge -o link").output
  }

  /// The same, when new interfaces have become what they stay.
  func settledHostState() throws -> String {
    var state = ""
    #expect(
      try eventually {
        let earlier = state
        state = try hostState()
        return earlier == state && !state.contains("tentative") && !state.contains("learning")
          && !state.contains("listening")
      })
    return state
  }

  func stop() {
    for command in running.reversed() { command.stop() }
    for machine in machines { machine.remove() }
    daemon.stop()
    machine.remove()
    host.remove()
    try? FileManager.default.removeItem(atPath: folder)
  }
}

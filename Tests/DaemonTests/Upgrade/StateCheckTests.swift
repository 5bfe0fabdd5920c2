// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Testing

@testable import Daemon

/// What a version of the daemon goes on with of another's state.
@Suite("The state of a daemon that is upgraded", .timeLimit(.minutes(1)))
struct StateCheckTests {
  private static func network(_ name: String = "default") -> NetworkHandover {
    NetworkHandover(
      name: name, phase: .stopped, failure: nil, complaint: nil, process: nil, plan: nil,
      restarts: 0, isPinned: false, lastExit: nil, pluginStates: [],
      guests: GuestsState(journal: nil, links: [], unixgram: [], addresses: [], givenNames: [:]),
      forwards: ForwardsState(table: ForwardTable(), awaited: [:], sockets: []),
      names: NamesState(sets: [:], parts: NameParts(), zones: [], absent: []),
      leases: LeasesState(seen: [], absent: [], hostnames: []), exposed: ExposedNames(),
      lastCapture: 0, keeper: nil, uplink: nil)
  }

  private static func link(_ id: UInt64, fd: Int32, slot: Int = -1) -> GuestsState.Link {
    GuestsState.Link(
      id: id, name: "guest", transport: .stream, mac: nil, mtu: 0, vnetHeader: false,
      since: "2026-11-30T12:00:00Z", journalSlot: slot, fd: fd, introduced: true, hasLease: false)
  }

  private static func process(version: UInt64 = HostProtocolVersion.current) -> ProcessState {
    ProcessState(
      pid: 4711, started: 1, startedAt: "2026-11-30T12:00:00Z", channel: 20, heartbeat: 21,
      unread: [0, 0, 1], nextID: 7, sent: 6,
      undoing: [ProcessState.Undo(id: 3, request: .stopCapture(1))], version: version)
  }

  private static let plan: LaunchPlan? = {
    let module = Inspection.Module(id: "m", version: "1", license: "", url: "", abiMinor: 0)
    func plugin(_ kind: String, _ name: String, modes: [String]) -> Inspection {
      Inspection(
        file: "/plugins/\(name).so", sha256: "00", module: module,
        plugins: [
          Inspection.Plugin(
            kind: kind, name: name, summary: "", modes: modes, isolated: true, schema: nil,
            extensions: [])
        ])
    }
    let level = PluginLevel(
      directory: "/plugins", builtin: true,
      files: [
        plugin("network", "slirp", modes: ["slirp"]), plugin("dns", "hostdns", modes: []),
      ])
    return try? LaunchPlan(
      network: NetworkConfiguration.builtins[0], registry: Registry(levels: [level]),
      configFile: "/networks.yaml")
  }()

  private static func state(_ change: (inout DaemonState) -> Void = { _ in }) -> DaemonState {
    let configuration = Configuration(
      file: "/home/_config/networks.yaml", present: true,
      networks: NetworkConfiguration.builtins, pluginDirectories: [], paths: NetworksPaths(),
      warnings: [])
    var state = DaemonState(
      header: StateHeader(program: "1.2.3"), home: "/home", descriptors: [],
      started: "2026-11-30T12:00:00Z", upgrade: Upgrades().report, pausedAt: 5,
      replacesProcesses: false, lock: 10, inherited: [11], notify: "/run/notify", sockets: [],
      clients: [], lastGuestID: 4, configuration: .init(configuration), networks: [network()],
      instances: [])
    change(&state)
    state.descriptors = StateCheck.used(by: state)
    return state
  }

  private static func decode(_ state: DaemonState) throws -> DaemonState {
    try StateCheck.decode(JSONText.encode(state))
  }

  @Test func `a state is read as it was written`() throws {
    let plan = try #require(Self.plan)
    let state = Self.state { state in
      var network = Self.network("lab")
      network.phase = .running
      network.process = Self.process()
      network.plan = plan
      network.guests.journal = 30
      network.guests.links = [Self.link(1, fd: 31, slot: 0), Self.link(2, fd: 32, slot: 1)]
      network.forwards.table.insert(
        Forward(protocol: "tcp", host: "127.0.0.1:1", guest: "192.168.5.15:80"), owner: "x")
      network.names.sets["config"] = NameSet(owner: "config", hosts: ["a.test": ["10.0.0.1"]])
      network.keeper = KeeperState(pid: 99, socket: 40)
      state.networks.append(network)
      state.clients = [
        AttachClientState(
          channel: 50, unread: [], network: "lab", guest: 1, forwardOwner: nil, asked: true,
          isAttached: true)
      ]
    }
    let read = try Self.decode(state)
    #expect(try JSONText.encode(read) == JSONText.encode(state))
    #expect(read.networks[1].plan?.plugin.plugin.name == "slirp")
    #expect(read.configuration.configuration.networks.map(\.name) == ["default", "user-v2"])
    #expect(StateCheck.refusal(of: read) == nil)
  }

  @Test func `a state of another format is refused by its header, whatever else it has`() {
    for (text, word) in [
      (#"{"header":{"format":"lima-netd supervisor","version":2,"program":"9.0"}}"#, "format 2"),
      (#"{"header":{"format":"something","version":1,"program":"9.0"}}"#, "none of a lima-netd's"),
      (#"{"header":{"format":"lima-netd supervisor","version":1,"program":"9"}}"#, "no sense"),
      ("{}", "no sense"), ("", "no sense"), ("\u{1}", "no sense"),
    ] {
      let error = #expect(throws: ErrorReport.self) { try StateCheck.decode(Array(text.utf8)) }
      #expect(error?.message.contains(word) == true, "\(text): \(error?.message ?? "")")
    }
  }

  @Test func `a state that cannot be is refused before anything of it is taken`() throws {
    func refused(_ word: String, _ change: (inout DaemonState) -> Void) {
      let state = Self.state(change)
      let problem = StateCheck.problem(of: state)
      #expect(problem?.contains(word) == true, "\(word): \(problem ?? "taken")")
    }
    refused("descriptor") { $0.lock = 1 }
    refused("twice") { $0.inherited = [10] }
    refused("a network twice") { $0.networks = [Self.network(), Self.network()] }
    refused("without a name") { $0.networks = [Self.network("../x")] }
    refused("runs without a process") { $0.networks[0].phase = .running }
    refused("at rest") { $0.networks[0].process = Self.process() }
    refused("without a plan") {
      $0.networks[0].phase = .running
      $0.networks[0].process = Self.process()
    }
    refused("cannot be one") {
      $0.networks[0].phase = .running
      $0.networks[0].process = Self.process()
      $0.networks[0].process?.pid = 1
    }
    refused("guests") {
      $0.networks[0].guests.links = [Self.link(1, fd: 30), Self.link(1, fd: 31)]
    }
    refused("journal") {
      $0.networks[0].guests.links = [Self.link(1, fd: 30, slot: 2), Self.link(2, fd: 31, slot: 2)]
    }
    refused("journal") { $0.networks[0].guests.links = [Self.link(1, fd: 30, slot: 9999)] }
    var state = Self.state()
    state.descriptors.removeLast()
    #expect(StateCheck.problem(of: state)?.contains("nobody's") == true)
  }

  @Test func `processes of another protocol are refused, or replaced where that was asked for`() {
    var state = Self.state { state in
      state.networks[0].phase = .running
      state.networks[0].process = Self.process(version: 0)
    }
    let refusal = StateCheck.refusal(of: state, understood: 1...3)
    #expect(refusal?.message.contains("default") == true)
    #expect(refusal?.message.contains("--restart-networks") == true)
    state.replacesProcesses = true
    #expect(StateCheck.refusal(of: state, understood: 1...3) == nil)
    #expect(StateCheck.strangers(in: state, understood: 1...3).map(\.name) == ["default"])
    #expect(StateCheck.strangers(in: state, understood: 0...3).isEmpty)
  }
}

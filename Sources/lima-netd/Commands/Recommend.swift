// SPDX-License-Identifier: Apache-2.0
//
// recommend: recommends a network. Asks on a terminal if no argument is given.

import ArgumentParser
import Daemon
import Platform

struct Recommend: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say which network a VM should have.",
    discussion: """
        lima-netd recommend
        lima-netd recommend --from host --vm-type qemu
        lima-netd recommend --explain

      Prints the network, why, and the lines for lima.yaml and QEMU. On a terminal it asks when --from is not given; \
      --explain shows all choices and which of them work on this machine now, with --os those of the other system.
      """)

  @Option(help: "From where the VM is to be reached: localhost, host, vms or lan.")
  var from: ReachedFrom?
  @Option(help: "qemu or vz. (default: qemu on Linux, vz on macOS)")
  var vmType: VMType?
  @Option(help: "linux or macos: the system of the host. (default: this one's)")
  var os: HostSystem?
  @Flag(help: "Show all choices.")
  var explain = false
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let system = os ?? .current
    let type = vmType ?? (system == .linux ? .qemu : .vz)
    if system == .linux, type == .vz {
      throw CommandFailure(
        "vmType vz is macOS's own: on Linux VMs are of vmType qemu", remedy: nil)
    }
    let modes = try knownModes()
    if explain {
      let place = try home.resolveServed()
      let rows = Self.rows(
        modes, try HostProbe(home: place).facts(), on: system, home: try homeWords(place))
      return try listing.show(rows) { RecommendText.table(rows) }
    }
    guard let from = try from ?? ask() else {
      throw CommandFailure(
        "From where is the VM to be reached?",
        remedy: "Say --from localhost, host, vms or lan; --explain shows what follows from each.")
    }
    let place = try home.resolveServed()
    let facts = try system == .current ? HostProbe(home: place).facts() : nil
    let choice =
      try facts.map {
        NetworkChoice.choose(
          from, type, on: system, command: $0.command, home: try homeWords(place))
      } ?? NetworkChoice.choose(from, type, on: system)
    let state = facts.map { Self.state(choice, modes, $0) }
    try listing.show(choice) {
      RecommendText.choice(
        choice,
        qemu: type == .qemu
          ? Self.qemu(choice, place, system, home: (try? homeWords(place)) ?? "") : [],
        state: state)
    }
  }

  /// For the installed QEMU; for the other system, a recent one.
  private static func qemu(
    _ choice: NetworkChoice, _ place: LimaHome, _ system: HostSystem, home: String
  ) -> [String] {
    guard choice.mode != nil else { return [] }
    let arch = QEMULine.ownArchitecture
    var capabilities = QEMUCapabilities.newest
    if system == .linux, system == .current {
      capabilities = QEMUCapabilities(version: QEMUVersion.installed("qemu-system-\(arch)"))
    }
    var generator = SystemRandomNumberGenerator()
    let line = QEMULine(
      network: choice.network, socket: place.networkSockets(choice.network).qemu,
      mac: QEMULine.randomMAC(using: &generator), arch: arch, capabilities: capabilities, home: home
    )
    return (try? line.lines) ?? []
  }

  private func homeWords(_ place: LimaHome) throws -> String {
    try PluginSearchOptions.installation().homeWords(for: place)
  }

  private func knownModes() throws -> [String] {
    let report =
      try ControlClient(home).ifRunning { try $0.get(APIPath.plugins) as PluginsReport }
      ?? PluginSurvey.report(
        directories: [], installation: PluginSearchOptions.installation())
    return report.modes.map(\.mode)
  }

  /// Whether a network works here now: it is served, in networks.yaml, and `doctor` finds nothing missing.
  static func state(
    _ choice: NetworkChoice, _ modes: [String], _ facts: HostFacts
  ) -> ModeState {
    guard let mode = choice.mode else { return .served }
    guard modes.contains(mode) else { return .unserved("no plugin serves mode \(mode)") }
    if let problem = facts.user.homeProblem { return .unserved(problem) }
    if let error = facts.configuration.error { return .unserved("networks.yaml: \(error)") }
    // What is wrong with other networks of the mode is theirs.
    var own = facts
    own.configuration.networks = facts.configuration.networks.filter { $0.name == choice.network }
    guard !own.configuration.networks.isEmpty else {
      let home = " --lima-home \(ShellWord.quoted(facts.home.path))"
      // Without the file `network setup` does both.
      let creation =
        facts.configuration.isThere
        ? nil
        : CreationCommand.ofDefault(
          choice.network, hasFile: false, isLinux: facts.system == .linux, command: facts.command,
          home: home, sudo: facts.isRoot ? "" : "sudo ")
      return .unserved(
        facts.configuration.isThere
          ? "networks.yaml has no network \(choice.network)"
          : "there is no networks.yaml, and without it no network \(choice.network)",
        remedy: creation
          ?? CreationCommand.text(
            choice.network, mode: mode, command: facts.command, home: home,
            among: facts.configuration.networks))
    }
    // Checked as requested, so that the network of the default file does not count as unused.
    let problem = Diagnosis(own).findings(for: [mode]).first {
      $0.status == .problem && $0.modes.contains(mode)
    }
    guard let problem else { return .served }
    return .unserved(problem.text, remedy: problem.remedy)
  }

  /// All choices on one system.
  /// - Parameter home: " --lima-home DIR", or "".
  static func rows(
    _ modes: [String], _ facts: HostFacts, on system: HostSystem = .current, home: String = ""
  ) -> [RecommendRow] {
    let types: [VMType] = system == .linux ? [.qemu] : [.qemu, .vz]
    return ReachedFrom.allCases.flatMap { from in
      types.map { type in
        let isHere = system == .current
        let choice =
          isHere
          ? NetworkChoice.choose(from, type, on: system, command: facts.command, home: home)
          : NetworkChoice.choose(from, type, on: system)
        return RecommendRow(
          from: from, os: system, vmType: type, choice: choice,
          state: isHere ? state(choice, modes, facts) : nil)
      }
    }
  }

  /// Nil if there is no terminal.
  private func ask() throws -> ReachedFrom? {
    guard StandardInput.isTerminal else { return nil }
    StandardOutput.print("From where is the VM to be reached?")
    for (index, from) in ReachedFrom.allCases.enumerated() {
      StandardOutput.print("  \(index + 1)  \(from.rawValue): \(from.question)")
    }
    for _ in 0..<3 {
      StandardOutput.print("A number or a word:")
      guard let line = readLine() else { return nil }
      let word = line.filter { !$0.isWhitespace }.lowercased()
      if let number = Int(word), (1...ReachedFrom.allCases.count).contains(number) {
        return ReachedFrom.allCases[number - 1]
      }
      if let from = ReachedFrom(rawValue: word) { return from }
    }
    return nil
  }
}

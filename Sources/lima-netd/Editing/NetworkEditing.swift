// SPDX-License-Identifier: Apache-2.0
//
// NetworkEditing: common to create, edit and delete: the file, the running daemon, the checks and their messages.

import Daemon
import Platform

struct NetworkEditing {
  let home: LimaHome
  private let options: HomeOptions

  init(_ options: HomeOptions) throws {
    self.options = options
    home = try options.resolveServed()
  }

  /// The file, with a lock: other `network create`, `edit` and `delete` wait until this process ends.
  func lockedFile() throws -> NetworksFile {
    // An invalid file is refused before anything is created.
    _ = try file()
    let folder = home.configDirectory
    let seconds: UInt64 = 10
    try asWriter { try Files.makeDirectory(folder, mode: 0o755) }
    // Never closed: the lock is released when the process ends.
    guard try Files.lockDirectory(folder, timeout: seconds * 1_000_000_000) != nil else {
      throw CommandFailure(
        "Another command is changing \(home.configFile), for \(seconds) s now",
        remedy: "Try again when it has ended.")
    }
    return try file()
  }

  /// Calls `body` as the owner of the files, so that root leaves no files of its own in another user's home.
  private func asWriter(_ body: () throws -> Void) throws {
    #if os(Linux)
      if let owner = ForeignHome.writer(of: home) {
        return try Privilege.asUser(owner, body)
      }
    #endif
    try body()
  }

  func file() throws -> NetworksFile {
    if let flaw = ForeignHome.flaw(of: home) {
      throw CommandFailure(
        "\(flaw), and root follows none in another user's home",
        remedy: "Run it as the user whose home it is.")
    }
    do throws(NetworksFileError) {
      return try NetworksFile(home.configFile, template: Self.template)
    } catch { throw CommandFailure("\(error)") }
  }

  func apply(
    to file: inout NetworksFile, _ body: (inout NetworksText) throws(NetworksEditError) -> Void
  ) throws {
    do throws(NetworksFileError) { try file.edit(body) } catch { throw CommandFailure("\(error)") }
  }

  /// Writes the file and waits until a running daemon has read it.
  /// - Returns: the daemon's report; nil if no daemon has read it.
  @discardableResult
  func write(_ file: NetworksFile) throws -> ReloadReport? {
    do { try asWriter { try file.write() } } catch { throw CommandFailure("\(error)") }
    do {
      return try ControlClient(home: home).ifRunning {
        try $0.send(.POST, APIPath.reload, body: [String: String]())
      }
    } catch {
      // An older daemon notices the change itself, or has no such path.
      guard let failure = error as? CommandFailure, failure.code != "HTTP_404" else { return nil }
      StandardError.print(
        "\(file.path) is written, and the daemon has not taken it over: \(failure)")
      return nil
    }
  }

  /// The network as the daemon would read it.
  func network(_ name: String, in file: NetworksFile) throws -> NetworkConfiguration {
    do throws(NetworksFileError) {
      let networks = try file.configuration().networks
      if let network = networks.first(where: { $0.name == name }) { return network }
      throw NetworksFileError.refused(
        .unknown(name, nearest: Identifier.nearest(to: name, among: networks.map(\.name))),
        file: file.path)
    } catch { throw CommandFailure("\(error)") }
  }

  // MARK: Checks

  /// A refusal of the arguments, with valid ones if they are known: a network needs a gateway, and users do not know which
  /// is free.
  func failure(
    _ flaw: NetworkDraft.Flaw, _ name: String, _ draft: NetworkDraft, in file: NetworksFile,
    command: String = "create"
  ) -> CommandFailure {
    if case .needs(mode: "bridged", "interface") = flaw {
      return CommandFailure("\(flaw)", remedy: interfaceRemedy(name, command))
    }
    guard case .needs(mode: let mode, "gateway") = flaw else { return CommandFailure("\(flaw)") }
    let routes = (try? HostRoutes.current()) ?? []
    let addresses = (try? HostInterfaces.addresses()) ?? []
    let free = NetworkConfiguration.freeGateway(
      among: (try? file.configuration().networks) ?? []
    ) {
      NetworkConflicts.route($0, among: routes, addresses: addresses, own: ["lo", "lo0"]) != nil
    }
    let isUsual = command == "create" && NetworkDraft.usualMode(of: name) == mode
    return CommandFailure(
      "\(flaw)",
      remedy: "Take one that is free here:  lima-netd network \(command) \(ShellWord.quoted(name))"
        + (isUsual || draft.mode.isEmpty ? "" : " --mode \(mode)") + " --gateway \(free)"
        + options.words)
  }

  /// Lists the existing interfaces.
  private func interfaceRemedy(_ name: String, _ command: String) -> String? {
    let there = Set(((try? HostInterfaces.addresses()) ?? []).map(\.interface))
      .filter { $0 != "lo" && $0 != "lo0" }.sorted()
    guard let first = there.first else { return nil }
    return
      "Name one that is here (\(there.joined(separator: ", "))):  lima-netd network \(command) "
      + "\(ShellWord.quoted(name)) --mode bridged --interface \(first)" + options.words
  }

  /// Checked before the settings, so that a mistyped name is reported first.
  func checkName(_ name: String, in file: NetworksFile) throws {
    guard Identifier.isValid(name) else {
      throw CommandFailure(ConfigProblem(.identifier(name)).sentence)
    }
    let isBuiltin = NetworkConfiguration.builtins.contains { $0.name == name } && name != "user-v2"
    if isBuiltin {
      throw CommandFailure("network `\(name)` already exists", remedy: "It is built in.")
    }
    // In a home without a file, the network of the default file is changed, not added.
    if file.exists, (try? file.text.names())?.contains(name) == true {
      throw CommandFailure(
        "\(NetworksFileError.refused(.exists(name), file: file.path))",
        remedy: "Change it:  lima-netd network edit \(name)")
    }
    if let problem = home.problem(ofNetwork: name) { throw CommandFailure(problem) }
  }

  /// Checks what lima-netd-tap would refuse at the network's start.
  func checkGateway(_ network: NetworkConfiguration) throws {
    guard HostTapRequest.wanted(by: network) != nil, let gateway = network.settings.gateway,
      gateway.isLinkLocal
    else { return }
    throw CommandFailure(
      "invalid IP address: \(gateway) is of 169.254.0.0/16, which each interface uses by itself: the host's "
        + "interface cannot have it", remedy: "Take one of a private network, as 192.168.110.1.")
  }

  /// Warns of valid settings that are probably not intended.
  func warn(of network: NetworkConfiguration) {
    for text in NetworkConflicts.cautions(network) { StandardError.print("Note: \(text)") }
    #if os(Linux)
      guard let finding = HostProbe(home: home).bridge(of: network), finding.status != .ok else {
        return
      }
      StandardError.print(
        "Note: \(finding.text)" + (finding.remedy.map { "\n  \($0)" } ?? ""))
    #endif
  }

  // MARK: What else there is

  /// Reports changes that are not in effect in the running daemon: those refused, and those that take effect at the
  /// networks' next start.
  func tellUnsettled(_ report: ReloadReport?, _ listing: ListingOptions) {
    guard let report else { return }
    // The daemon may have read the file before the request.
    let isNew = report.changes.contains { $0.change != "unchanged" }
    for change in isNew ? report.changes : report.earlier?.changes ?? []
    where !change.holdsNow || change.error != nil {
      for line in Reload.lines(change, home: options.words) { listing.tell(line) }
    }
  }

  /// Reports that the interface of a deleted network still exists.
  func tellLeftInterface(of name: String, _ listing: ListingOptions) {
    #if os(Linux)
      let user = ForeignHome.owner(of: home) ?? CurrentProcess.effectiveUser
      let interface = HostTapLink.name(user: user, network: name)
      guard var netlink = try? Netlink(), let link = try? netlink.hostTap(named: interface),
        link.isTap, link.persists, link.owner == user,
        link.home.map({ $0 == home.path || $0 == (try? Files.realPath(home.path)) }) ?? true
      else { return }
      let command = (try? ChildProcess.ownPath()).map(ShellWord.quoted) ?? "lima-netd"
      listing.tell(
        "Its interface \(interface), which `network setup` made, is still there. To take it away:  "
          + (CurrentProcess.isRoot ? "" : "sudo ") + "\(command) network unsetup \(name)"
          + options.words)
    #endif
  }

  func checkMode(_ mode: String) throws {
    let report =
      try ControlClient(options).ifRunning { try $0.get(APIPath.plugins) as PluginsReport }
      ?? PluginSurvey.report(
        directories: [], installation: PluginSearchOptions.installation())
    if let text = NetworkConflicts.unknownMode(mode, known: report.modes.map(\.mode)) {
      throw CommandFailure(text, remedy: "List them:  lima-netd plugin ls")
    }
  }

  /// Routes and addresses that cannot be read are no conflict.
  /// - Parameter before: what it was; a subnet that stays is not looked at.
  func checkRoutes(
    _ network: NetworkConfiguration, since before: NetworkConfiguration? = nil
  ) throws {
    var own: Set<String> = ["lo", "lo0"]
    #if os(Linux)
      own.insert(HostTapLink.name(user: CurrentProcess.effectiveUser, network: network.name))
    #endif
    let text = network.subnet.flatMap { subnet in
      subnet == before?.subnet
        ? nil
        : NetworkConflicts.route(
          subnet, among: (try? HostRoutes.current()) ?? [],
          addresses: (try? HostInterfaces.addresses()) ?? [], own: own)
    }
    let text6 = network.network6.flatMap { network6 in
      network6 == before?.network6
        ? nil
        : NetworkConflicts.route6(
          network6, among: (try? HostRoutes.current6()) ?? [],
          addresses: (try? HostInterfaces.addresses6()) ?? [], own: own)
    }
    guard let text = text ?? text6 else { return }
    throw CommandFailure(text, remedy: "Take another subnet, or say --force.")
  }

  func checkUnused(_ name: String) throws {
    let report = try ControlClient(options).ifRunning { client -> NetworkReport? in
      let all: [NetworkReport] = try client.get(APIPath.networks)
      return all.first { $0.name == name }
    }
    if let guests = report??.guests, !guests.isEmpty {
      throw CommandFailure(
        "network `\(name)` is in use by \(guests.map(\.name).joined(separator: ", "))",
        remedy: "Stop these first, or say --force.")
    }
    let instances = NetworkConflicts.instances(of: name, home: home)
    if !instances.isEmpty {
      throw CommandFailure(
        "network `\(name)` is named by the lima.yaml of \(instances.joined(separator: ", "))",
        remedy: "Change these first, or say --force.")
    }
  }

  static var template: NetworksTemplate {
    #if os(Linux)
      let groups = (try? Files.read("/etc/group", limit: 4 << 20)).map {
        String(decoding: $0, as: UTF8.self).split(separator: "\n")
          .compactMap { $0.split(separator: ":").first.map(String.init) }
      }
      return .linux(groups: Set(groups ?? []))
    #else
      return .macOS()
    #endif
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// network setup, unsetup: performs once, as root, the privileged part of a network of mode shared, host or bridged, so that
// the daemon needs no root afterwards: it creates a persistent TAP that belongs to the user. Root reads the configuration
// as its user, and runs only lima-netd-tap, and ovs-vsctl for a bridge of Open vSwitch.

import ArgumentParser
import Daemon
import Platform

#if os(Linux)
  import LibC
#endif

struct NetworkSetup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "setup",
    abstract: "Make the host's interface of a network, as root, once.",
    discussion: """
      Networks of mode shared, host and bridged have an interface of the host, which only root can make. With it set \
      up, the daemon of the user who asked needs no root; it is gone after a reboot, unless --boot has systemd make it \
      again.

        sudo lima-netd network setup shared
        sudo lima-netd network setup shared --boot
        sudo lima-netd network unsetup shared

      What is set up already, and right, stays as it is, in use or not: --boot can be said later.

      On a bridge of Open vSwitch the interface is made a port, too (ovs-vsctl), so that the user needs no right to change \
      the bridge. A home without networks.yaml gets Lima's default one, which has shared, host and bridged.
      """)

  @Argument(help: "The network, of the calling user's networks.yaml.", completion: .networks)
  var name: String
  @Flag(help: "Have systemd make it again at each boot.")
  var boot = false
  @Option(
    help: ArgumentHelp(
      "Whose it is to be. (default: who called sudo)", valueName: "name or uid"))
  var user: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let setup = try HostSetup(network: name, user: user, home: home)
    let before = try setup.checkOwnership()
    let request = try setup.request()
    if case .bridge(let name) = request.place, case .card = BridgedInterface.look(at: name) {
      throw CommandFailure(
        "\(name) is a network card: each guest of network \(self.name) gets a macvtap when it comes, "
          + "and nothing can be set up before",
        remedy: "Let sudo make them without a password:  "
          + SudoersFile.writing(setup.command, home: setup.homeWords))
    }
    if boot, let bridge = setup.joined(request) {
      throw CommandFailure(
        "\(bridge) is made by Lima's own helper when it starts, not at boot: there would be nothing to join",
        remedy: "Without --boot it is joined now.")
    }
    let wasThere = setup.isThere
    try SwitchSetup(setup).make(request)
    if boot { try BootUnit(setup).install(setup.words(request)) }
    if let before { listing.tell(before) }
    let outcome = Outcome(
      network: name, interface: setup.interface, user: setup.userName, boot: boot, again: wasThere,
      joined: setup.joined(request))
    try listing.show(outcome) { outcome.text }
  }

  struct Outcome: Encodable {
    let network: String
    let interface: String
    let user: String
    /// systemd creates it again at each boot.
    let boot: Bool
    /// It was there, and has been made what networks.yaml says now.
    let again: Bool
    /// The bridge of Lima's own helper that it is a port of.
    let joined: String?

    var text: String {
      (again
        ? "\(interface) was set up for \(user) already, and is as networks.yaml has it now"
        : "\(interface) is set up for \(user): network \(network) needs no root from now on")
        + (joined.map {
          "\nIt is a port of \($0), which Lima's own helper keeps: without that helper, set it up again"
        } ?? "")
    }
  }
}

struct NetworkUnsetup: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unsetup", abstract: "Take the host's interface of a network away, as root.",
    discussion: """
        sudo lima-netd network unsetup shared
      """)

  @Argument(help: "The network; it need not be in networks.yaml any more.")
  var name: String
  @Option(
    help: ArgumentHelp(
      "Whose it is. (default: who called sudo)", valueName: "name or uid"))
  var user: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func run() throws {
    let setup = try HostSetup(network: name, user: user, home: home, what: "take an interface away")
    try setup.checkUnused()
    let wasThere = setup.isThere
    let other = setup.otherHome
    let hadUnit = try BootUnit(setup).remove()
    try SwitchSetup(setup).remove()
    let others = wasThere || hadUnit ? [] : setup.otherUsers
    let outcome = Outcome(
      network: name, interface: setup.interface, user: setup.userName,
      removed: wasThere || hadUnit, otherHome: other,
      otherUsers: others.map { AccountNames.user($0) ?? "\($0)" })
    try listing.show(outcome) {
      guard !outcome.removed else {
        return "\(setup.interface) is not set up any more"
          + (other.map { "; it was that of network \(name) of \($0)" } ?? "")
      }
      let notes = zip(others, outcome.otherUsers).map { uid, user in
        "ln\(uid)-\(name) is another user's:  sudo \(setup.command) network unsetup \(name) --user "
          + ShellWord.quoted(user)
      }
      return (["\(setup.interface) was not set up for \(setup.userName)"] + notes)
        .joined(separator: "\n")
    }
  }

  struct Outcome: Encodable {
    let network: String
    let interface: String
    let user: String
    /// False if it was not set up.
    let removed: Bool
    /// The home of its network, if that is another one.
    let otherHome: String?
    /// Users that have set it up, if this user has not.
    let otherUsers: [String]
  }
}

/// The user and the configuration of a setup.
struct HostSetup {
  let network: String
  let uid: UInt32
  let userName: String
  let interface: String
  let helperPath: String
  /// The path of this program, quoted for a shell.
  let command: String
  private let home: LimaHome
  private let homeWasGiven: Bool

  /// - Parameter what: the privileged operation, for the message.
  init(
    network: String, user: String?, home options: HomeOptions,
    what: String = "make a network interface"
  ) throws {
    #if os(Linux)
      guard Identifier.isValid(network) else {
        throw CommandFailure("\"\(network)\" is no network's name")
      }
      guard CurrentProcess.isRoot else {
        let installation = try PluginSearchOptions.installation()
        let again = RootCommand.text(
          installation.executable, Array(CommandLine.arguments.dropFirst()),
          home: (try? options.resolve()).map { installation.homeWords(for: $0) } ?? "")
        throw CommandFailure(
          "Only root can \(what)", remedy: "Run it once as root:  \(again)")
      }
      let environment = CurrentProcess.environment
      let account = try Account.find(user ?? environment["SUDO_UID"] ?? "0")
      self.network = network
      uid = account.uid
      userName = account.name
      interface = HostTapLink.name(user: account.uid, network: network)
      let installation = try PluginSearchOptions.installation()
      command = ShellWord.quoted(installation.executable)
      helperPath = installation.tapHelper
      homeWasGiven = options.path != nil || environment["LIMA_HOME"] != nil
      // sudo removes the user's environment.
      if !homeWasGiven {
        home = LimaHome(path: account.home + "/.lima", workingDirectory: "/")
      } else {
        home = try options.resolve()
      }
    #else
      throw CommandFailure(
        "This system has no TAP devices: networks of these modes need Linux",
        remedy: "On macOS, socket_vmnet does this.")
    #endif
  }

  /// " --lima-home DIR" for commands of the user; "" if it is the user's default home.
  var homeWords: String { homeWasGiven ? " --lima-home \(ShellWord.quoted(home.path))" : "" }

  #if os(Linux)
    /// Read as the user: root must not open files that the user may not.
    func request() throws -> HostTapRequest {
      let configuration = try Privilege.asUser(uid) {
        try writeDefaultFile()
        return try Configuration.load(home.configFile, mayBeMissing: true)
      }
      let varRun = configuration.paths.varRun
      guard let found = configuration.networks.first(where: { $0.name == network }) else {
        throw CommandFailure(
          "There is no network \(network) in \(home.configFile)",
          remedy: "Add it, as \(userName):  \(creation(among: configuration.networks))\n"
            + "Another home than that of \(userName) is given with --lima-home.")
      }
      if let socket = found.peerSocket {
        throw CommandFailure(
          "Network \(network) has the socket \(socket) of another daemon for its uplink: no interface of "
            + "the host is made, and no root is needed",
          remedy:
            "To have an interface instead, take `socket` out of its options in \(home.configFile)."
        )
      }
      guard let request = HostTapRequest.wanted(by: found) else {
        throw CommandFailure(
          "Network \(network) is of mode \(found.settings.mode), which needs no interface of the host"
        )
      }
      if let refusal = try NetworkCheck.refusal(
        of: found, file: home.configFile, installation: PluginSearchOptions.installation())
      {
        throw CommandFailure(
          refusal, remedy: "Change it, as \(userName):  lima-netd network edit\(homeWords)")
      }
      if LimaBridge.modes.contains(found.settings.mode),
        let bridge = LimaBridgeProbe.system.look(for: network, varRun: varRun)
      {
        switch bridge.state {
        case .kept: return HostTapRequest(network: network, joining: bridge.name)
        case .leftOver(let why):
          throw CommandFailure(
            "\(bridge.name) is left over from Lima's own helper (\(why)), and has the subnet of network "
              + network,
            remedy: "Take it away:  sudo ip link del \(bridge.name)")
        }
      }
      if case .bridge(let name) = request.place, BridgedInterface.look(at: name) == .missing,
        let finding = HostProbe(home: home).bridge(of: found)
      {
        throw CommandFailure(finding.text, remedy: finding.remedy.map { "Mend it:  \($0)" })
      }
      return request
    }

    /// The bridge of Lima's own helper that the request is about; nil: another bridge.
    func joined(_ request: HostTapRequest) -> String? {
      guard case .bridge(let bridge) = request.place, bridge == LimaBridge.name(of: network) else {
        return nil
      }
      return bridge
    }

    /// In a home without networks.yaml writes Lima's default file, as the user, if it contains the network.
    private func writeDefaultFile() throws {
      guard !Files.exists(home.configFile) else { return }
      do throws(NetworksFileError) {
        let file = try NetworksFile(home.configFile, template: NetworkEditing.template)
        let known = try file.configuration().networks.first { $0.name == network }
        guard let known, HostTapRequest.wanted(by: known) != nil else { return }
        try file.write()
        StandardError.print("\(home.configFile) is written, with Lima's networks")
      } catch {
        throw CommandFailure("\(error)")
      }
    }

    /// The helper's arguments, with the home of the interface if it can be encoded.
    func words(_ request: HostTapRequest) -> [String] {
      request.words("setup") + (TapAlias.encoded(realHome).map { ["--home", $0] } ?? [])
    }

    /// The path by which the daemon serves the home.
    private var realHome: String { (try? Files.realPath(home.path)) ?? home.path }

    /// The other home that the interface belongs to; nil: none, or there is no interface.
    var otherHome: String? {
      guard var netlink = try? Netlink(), let link = try? netlink.hostTap(named: interface),
        link.isTap, let there = link.home, there != realHome, there != home.path
      else { return nil }
      return there
    }

    /// A user has one interface for a network's name, whichever home the network is of.
    /// - Returns: what is to be told once it is this home's.
    /// - Throws: when it is another home's that is there.
    func checkOwnership() throws -> String? {
      guard let other = otherHome else { return nil }
      // As the user: root does not look where the user may not.
      guard (try? Privilege.asUser(uid) { Files.exists(other) }) ?? true else {
        try checkUnused()
        return "It was that of \(other), which is gone"
      }
      throw CommandFailure(
        "\(interface) is set up for network \(network) of \(other): a user has one interface for each name",
        remedy: "Give the network another name here, or take it from there:  "
          + "sudo \(command) network unsetup \(network) --lima-home \(ShellWord.quoted(other))"
          + (CurrentProcess.environment["SUDO_UID"] == "\(uid)" || uid == 0
            ? "" : " --user \(ShellWord.quoted(userName))"))
    }

    /// Waits two seconds for a daemon to release the interface.
    /// - Throws: if a daemon uses it.
    func checkUnused() throws {
      var holder = self.holder
      for _ in 0..<20 where holder != nil {
        usleep(100_000)
        holder = self.holder
      }
      guard let holder else { return }
      throw CommandFailure(
        "\(interface) is in use by \(holder.words)",
        remedy: holder.isPrivate
          ? "That daemon is one of an `exec` or `tap`: end this first."
          : "Stop the network first, as \(userName):  \(holder.stop(network, command))")
    }

    private var holder: OtherDaemon? {
      guard isThere else { return nil }
      return OtherDaemons.find(otherThan: "").first { $0.interfaces.contains(interface) }
    }

    /// It is what `request` asks for, of this home: there is nothing to do, whoever uses it.
    func isRight(_ request: HostTapRequest) -> Bool {
      guard request.ifaceID == nil, var netlink = try? Netlink(),
        let link = try? netlink.hostTap(named: interface), link.isUp,
        link.home == (TapAlias.encoded(realHome) == nil ? nil : realHome)
      else { return false }
      let facts = HostFacts(system: .linux, home: home, user: HostFacts.User(uid: uid))
      return Diagnosis(facts).isSetUp(HostProbe(home: home).tap(interface, request), as: request)
    }

    /// There is an interface of that name.
    var isThere: Bool { (try? HostInterfaces.names())?.contains(interface) == true }

    /// Users that have set up a network of the same name.
    var otherUsers: [UInt32] {
      SetUpUsers.others(
        than: uid, of: network, among: (try? HostInterfaces.names()) ?? [])
    }

    /// The command that creates a network of this name; its mode is guessed from the name.
    private func creation(among networks: [NetworkConfiguration]) -> String {
      let mode = ["host", "bridged"].contains(network) ? network : "shared"
      return CreationCommand.text(
        network, mode: mode, command: command, home: homeWords, among: networks)
    }

    /// Runs lima-netd-tap, and shows its message when it refuses.
    func helper(_ words: [String]) throws {
      switch HelperSafety.flaw(of: helperPath) {
      case nil: break
      case let flaw? where flaw.isMissing:
        throw CommandFailure(
          "The helper that makes interfaces is missing: \(helperPath)",
          remedy: "Install it:  sudo make install")
      case let flaw?:
        throw CommandFailure(
          "The helper would run as root, and others could change it: \(flaw)",
          remedy: flaw.helperRemedy.map { "Mend it:  \($0)" }
            ?? "Install it where only root writes:  sudo make install")
      }
      let pid = try ChildProcess.spawn(
        helperPath, words + ["--owner", "\(uid)"], environment: [])
      let status = try ChildProcess.wait(pid)
      guard status.isSuccess else {
        throw CommandFailure(
          "The interface \(interface) was not changed: lima-netd-tap \(status)",
          // Nothing that the host lacks. What it refuses (status 3) it has said, with what to do.
          remedy: isThere
            ? (status == .exited(3)
              ? nil : "Should it be in use, what has it:  \(OtherDaemons.asking(who: interface))")
            : "All that this host lacks tells, as \(userName):  \(command) doctor\(homeWords)")
      }
    }
  #else
    func request() throws -> HostTapRequest { throw CommandFailure("Linux only") }
    func joined(_ request: HostTapRequest) -> String? { nil }
    func words(_ request: HostTapRequest) -> [String] { [] }
    var otherHome: String? { nil }
    func checkOwnership() throws -> String? { nil }
    func checkUnused() throws {}
    func isRight(_ request: HostTapRequest) -> Bool { false }
    var isThere: Bool { false }
    var otherUsers: [UInt32] { [] }
    func helper(_ words: [String]) throws {}
  #endif
}

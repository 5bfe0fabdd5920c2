// SPDX-License-Identifier: Apache-2.0
//
// sudoers: prints the lines for sudo by which networks get their privileged part without a password, and checks a file for
// them. Writes no file, and runs only sudo's queries.

import ArgumentParser
import Daemon
import Platform

struct Sudoers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what lets networks have their interface without a password, for sudoers.",
    discussion: """
      For each network of mode shared, host or bridged: who may run which command as root. On Linux that is \
      lima-netd-tap with the network's fixed words, for the group of networks.yaml where the calling user is one of it, \
      else for the calling user; on macOS it is the text of `limactl sudoers`. The text goes to standard output, not to a file.

        lima-netd sudoers | sudo tee \(SudoersFile.path)
        lima-netd sudoers --check
        lima-netd sudoers --check FILE

      With --check, exit status 0 says that the file is up to date, or that sudo asks no password. Without root's help \
      once, too, a network gets its interface by:  sudo lima-netd network setup NETWORK
      """)

  @Flag(help: "Check that a file is up to date.")
  var check = false
  @Option(help: "linux or macos: whose text. (default: this system's)")
  var platform: HostSystem?
  @Option(
    help:
      "Linux: for this user. (default: the group of networks.yaml where who calls is one of it, else who calls)"
  )
  var user: String?
  @Option(help: "Linux: for this group.")
  var group: String?
  @Argument(
    help: ArgumentHelp(
      "With --check: the file. (default: \(SudoersFile.path); macOS: paths.sudoers of networks.yaml)"
    ),
    completion: .file())
  var file: String?
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    guard file == nil || check else {
      throw ValidationError("the file argument can be specified only for --check mode")
    }
    if user != nil, group != nil {
      throw ValidationError("Give either --user or --group: the lines are for one of them.")
    }
  }

  func run() throws {
    let place = try home.resolveConfigured()
    let platform = platform ?? .current
    let text = try SudoersText(home: place, platform: platform, for: subject())
    if platform == .linux, text.isEmpty {
      StandardError.print(
        "No network of \(text.configFile) has an interface of the host's: there is nothing to allow"
      )
    }
    let usual = platform == .linux ? SudoersFile.path : text.paths.sudoers
    guard check else {
      guard listing.json else { return StandardOutput.print(text.text, terminator: "") }
      return try listing.show(
        Document(
          platform: platform.rawValue, file: usual.isEmpty ? nil : usual, text: text.text))
    }
    guard let file = file ?? (usual.isEmpty ? nil : usual) else {
      throw CommandFailure("no sudoers file defined in `\(text.configFile)`")
    }
    let isOfUsual = home.path == nil && CurrentProcess.environment["LIMA_HOME"] == nil
    let check = SudoersCheck(
      text: text.text, comparison: platform == .macos ? .equal : .contains,
      command: "lima-netd", user: user, group: group,
      home: isOfUsual ? "" : " --lima-home \(ShellWord.quoted(place.path))")
    let problem = check.problem(
      file: file,
      read: { (path) throws(SystemError) in try Files.read(path, limit: 1 << 20) },
      sudoWorks: { text.sudoAsksNoPassword() })
    if listing.json {
      try listing.show(Verdict(file: file, upToDate: problem == nil, problem: problem))
      if problem != nil { throw ExitCode.failure }
      return
    }
    if let problem { throw CommandFailure(problem) }
    StandardOutput.print(SudoersCheck.confirmation(file))
  }

  struct Document: Encodable {
    /// The platform of the text: "linux", "macos".
    let platform: String
    /// The file it belongs in.
    let file: String?
    let text: String
  }

  struct Verdict: Encodable {
    let file: String
    /// The file has the text, or sudo asks for no password.
    let upToDate: Bool
    let problem: String?
  }

  /// Nil: from networks.yaml.
  private func subject() throws -> SudoersLinux.Who? {
    if let group { return .group(group) }
    guard let user else { return nil }
    guard let uid = UInt32(user) ?? AccountNames.number(ofUser: user) else {
      throw CommandFailure(
        "There is no user \(user)", remedy: "Those there are:  getent passwd | cut -d: -f1")
    }
    return .user(name: AccountNames.user(uid), uid: uid)
  }
}

/// The text for this home, with all checks of paths and users.
struct SudoersText {
  let platform: HostSystem
  let configFile: String
  let paths: NetworksPaths
  let text: String
  private let commands: [[String]]
  /// It allows nothing.
  var isEmpty: Bool { commands.isEmpty }

  init(home: LimaHome, platform: HostSystem, for subject: SudoersLinux.Who?) throws {
    self.platform = platform
    configFile = home.configFile
    let template =
      platform == .macos ? NetworksTemplate.macOS() : NetworksTemplate.linux(groups: [])
    let configuration = try ForeignHome.configuration(home, template: template)
    let networks = configuration.networks
    var paths = configuration.paths
    switch platform {
    case .macos:
      if let flaw = paths.flaw(ofNames: networks.filter { !$0.builtin }) {
        throw CommandFailure(flaw)
      }
      let isInstalled = !paths.socketVMNet.isEmpty && Files.exists(paths.socketVMNet)
      // On another system it is a preview.
      var judged = paths
      if platform != .current, !isInstalled { judged.socketVMNet = "" }
      if let flaw = judged.flaw(daemonGroup: AccountNames.group(ofUser: "daemon") ?? 1) {
        throw CommandFailure(flaw)
      }
      if !isInstalled {
        StandardError.print(
          "socket_vmnet is not installed at \"\(paths.socketVMNet)\": there is nothing to allow")
      }
      text = try SudoersMacOS(paths: paths, isInstalled: isInstalled).text(networks)
      commands = []
    case .linux:
      if !configuration.present { paths.group = "" }
      let helper = Installation(executable: try ChildProcess.ownPath()).tapHelper
      if let flaw = HelperSafety.flaw(of: helper) {
        throw CommandFailure(
          "\(SudoersError.unsafe(helper, flaw))",
          remedy: flaw.helperRemedy.map { "Mend it:  \($0)" }
            ?? "Install it where only root writes:  sudo make install")
      }
      let who = subject ?? Self.who(group: paths.group)
      if let flaw = paths.flaw(ofNames: networks.filter { !$0.builtin }) {
        throw CommandFailure(flaw)
      }
      let joined = Self.joined(networks, varRun: paths.varRun)
      text = try SudoersLinux(who: who, helper: helper, joined: joined).text(networks)
      commands =
        networks.compactMap { SudoersLinux.words($0).map { [helper] + $0 } }
        + joined.map { [helper] + HostTapRequest(network: $0, joining: $1).words("open") }
    }
    self.paths = paths
  }

  /// Bridges of Lima's own helper that the networks would join now.
  private static func joined(
    _ networks: [NetworkConfiguration], varRun: String
  ) -> [String: String] {
    var joined: [String: String] = [:]
    #if os(Linux)
      for network in networks
      where LimaBridge.modes.contains(network.settings.mode) && network.peerSocket == nil {
        guard let bridge = LimaBridgeProbe.system.look(for: network.name, varRun: varRun),
          bridge.isKept
        else { continue }
        joined[network.name] = bridge.name
      }
    #endif
    return joined
  }

  private static func who(group: String) -> SudoersLinux.Who {
    // Run by sudo, it is for the user who called that.
    let caller = CurrentProcess.environment["SUDO_UID"].flatMap { UInt32($0) }
    let own = CurrentProcess.effectiveUser
    let uid = own == 0 ? caller ?? own : own
    // Root needs no line: it asks for other users.
    return SudoersFile.subject(
      group: group, isMember: uid == 0 || AccountNames.isMember(uid, ofGroup: group),
      name: AccountNames.user(uid), uid: uid)
  }

  /// If the file cannot be read, queries sudo with the command `true`.
  func sudoAsksNoPassword() -> Bool {
    guard let sudo = ProgramSearch.find("sudo") else { return false }
    switch platform {
    case .macos:
      _ = try? BoundedCommand.run(sudo, ["-k"], seconds: 5)
      let words = ["--user", "root", "--group", "wheel", "--non-interactive", "true"]
      return (try? BoundedCommand.run(sudo, words, seconds: 5))?.succeeded == true
    case .linux:
      guard CurrentProcess.effectiveUser != 0 else { return true }
      guard let listing = try? BoundedCommand.run(sudo, ["-n", "-l"], seconds: 5),
        listing.succeeded
      else { return false }
      return commands.allSatisfy {
        SudoListing.verdict(on: $0, in: listing.output) == .withoutPassword
      }
    }
  }
}

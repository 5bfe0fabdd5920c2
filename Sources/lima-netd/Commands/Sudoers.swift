// SPDX-License-Identifier: Apache-2.0
//
// sudoers: the lines by which networks get what root has to do without a password, and whether a file has them. Prints;
// writes no file, and runs nothing but sudo's own questions.

import ArgumentParser
import Daemon
import Platform

struct Sudoers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print what lets networks have their interface without a password, for sudoers.",
    discussion: """
      For each network of mode shared, host or bridged: who may run which command as root. On Linux that is \
      lima-netd-tap with the network's fixed words, for the group of networks.yaml or the calling user; on macOS it is \
      the text of `limactl sudoers`. The text goes to standard output, not to a file.

        lima-netd sudoers | sudo tee /etc/sudoers.d/lima-netd
        lima-netd sudoers --check
        lima-netd sudoers --check /etc/sudoers.d/lima-netd

      With --check, exit status 0 says that the file is up to date, or that sudo asks no password. Without root's help \
      once, too, a network gets its interface by:  sudo lima-netd network setup NETWORK
      """)

  @Flag(help: "Check that a file is up to date.")
  var check = false
  @Option(help: "linux or macos: whose text. (default: this system's)")
  var platform: HostSystem?
  @Option(
    help:
      "Linux: for this user instead of a group. (default: the group of networks.yaml, else who calls)"
  )
  var user: String?
  @Argument(
    help: "With --check: the file. (default: paths.sudoers of networks.yaml)", completion: .file())
  var file: String?
  @OptionGroup var home: HomeOptions

  func validate() throws {
    guard file == nil || check else {
      throw ValidationError("the file argument can be specified only for --check mode")
    }
  }

  func run() throws {
    let text = try SudoersText(home: try home.resolve(), platform: platform ?? .current, user: user)
    guard check else { return StandardOutput.print(text.text, terminator: "") }
    guard let file = file ?? (text.paths.sudoers.isEmpty ? nil : text.paths.sudoers) else {
      throw CommandFailure("no sudoers file defined in `\(text.configFile)`")
    }
    let check = SudoersCheck(
      text: text.text, comparison: text.platform == .macos ? .equal : .contains,
      command: "lima-netd")
    let problem = check.problem(
      file: file,
      read: { (path) throws(SystemError) in try Files.read(path, limit: 1 << 20) },
      sudoWorks: { text.sudoAsksNoPassword() })
    if let problem { throw CommandFailure(problem) }
    StandardOutput.print(SudoersCheck.confirmation(file))
  }
}

/// The text for this home, with all that it needs looked at and judged.
struct SudoersText {
  let platform: HostSystem
  let configFile: String
  let paths: NetworksPaths
  let text: String
  private let commands: [[String]]

  init(home: LimaHome, platform: HostSystem, user: String?) throws {
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
      // Elsewhere it is a preview.
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
      let who = try Self.who(user, group: paths.group)
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

  private static func who(_ user: String?, group: String) throws -> SudoersLinux.Who {
    if let user {
      guard let uid = UInt32(user) ?? AccountNames.number(ofUser: user) else {
        throw CommandFailure("There is no user \(user)")
      }
      return .user(name: AccountNames.user(uid), uid: uid)
    }
    if !group.isEmpty { return .group(group) }
    // With sudo before it, it is for who called that.
    let caller = CurrentProcess.environment["SUDO_UID"].flatMap { UInt32($0) }
    let own = CurrentProcess.effectiveUser
    let uid = own == 0 ? caller ?? own : own
    return .user(name: AccountNames.user(uid), uid: uid)
  }

  /// Without a file that can be read, sudo itself is asked, and runs nothing but `true`.
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

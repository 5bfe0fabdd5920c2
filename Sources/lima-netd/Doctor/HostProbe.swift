// SPDX-License-Identifier: Apache-2.0
//
// HostProbe: collects the facts about this host for `doctor`. Reads files, queries the kernel, and runs a few programs with
// a timeout of some seconds; changes nothing. Facts that cannot be determined keep the defaults of `HostFacts`. Main
// thread.

import Daemon
import Platform

struct HostProbe {
  let home: LimaHome
  /// Timeout of a program, seconds.
  static let patience: UInt64 = 5

  func facts() throws -> HostFacts {
    let own = CurrentProcess.effectiveUser
    #if os(Linux)
      let system = HostFacts.System.linux
    #else
      let system = HostFacts.System.macOS
    #endif
    var facts = HostFacts(
      system: system, home: home,
      user: HostFacts.User(
        uid: own, groups: AccountNames.ownGroups,
        homeProblem: HomeTrust(user: ForeignHome.owner(of: home) ?? own).problem(home: home)))
    do {
      // The finding about the home covers it.
      guard HomeTrust.obstacle(home) == nil else { throw NoHome() }
      let configuration = try ForeignHome.configuration(home)
      facts.configuration.networks = configuration.networks
      facts.configuration.isThere = configuration.present
      facts.configuration.varRun = configuration.paths.varRun
      facts.user.isInSudoersGroup =
        configuration.present && AccountNames.isMember(own, ofGroup: configuration.paths.group)
    } catch is NoHome {
      facts.configuration.networks = NetworkConfiguration.builtins
    } catch {
      facts.configuration.networks = NetworkConfiguration.builtins
      facts.configuration.error =
        "\(error)".split(separator: "\n").prefix(3).joined(separator: "; ")
    }
    facts.user.usualHome = LimaHome(
      environment: ["HOME": CurrentProcess.environment["HOME"] ?? AccountNames.home(own) ?? ""])
    facts.user.name = AccountNames.user(own) ?? "\(own)"
    let executable = try ChildProcess.ownPath()
    let installation = Installation(executable: executable)
    facts.configuration.defaults = (try? NetworkEditing.template.networks()) ?? []
    if facts.configuration.error == nil, facts.configuration.isThere, facts.home.problem == nil,
      ForeignHome.owner(of: home) == nil
    {
      facts.configuration.mistakes = Self.mistakes(home.configFile, installation)
    }
    // A remedy that sudo runs needs its whole path.
    facts.command = ShellWord.quoted(executable)
    facts.serving = serving()
    if case .daemon = facts.serving {
      let reports: [NetworkReport] = (try? ControlClient(home: home).get(APIPath.networks)) ?? []
      facts.configuration.wanted = Set(reports.filter { $0.state != .stopped }.map(\.name))
    }
    facts.runtime = Self.runtime(installation)
    facts.kernel.descriptors = CurrentProcess.descriptorMaximum
    facts.resolver = Self.resolver("/etc/resolv.conf")
    facts.ip.addresses = ((try? HostInterfaces.addresses()) ?? []).filter {
      $0.interface != "lo" && $0.interface != "lo0"
    }
    facts.ip.routes = (try? HostRoutes.current()) ?? []
    facts.ip.addresses6 = (try? HostInterfaces.addresses6()) ?? []
    facts.ip.routes6 = (try? HostRoutes.current6()) ?? []
    #if os(Linux)
      probeLinux(&facts, installation)
    #else
      probeMacOS(&facts)
    #endif
    return facts
  }

  /// What plugins refuse of the file, by network; the first of each. Root asks none about another user's file.
  private static func mistakes(_ file: String, _ installation: Installation) -> [String: String] {
    let check = try? ConfigurationCheck(
      file: file, mayBeMissing: true, directories: [], installation: installation)
    let errors = (check?.problems ?? []).filter { $0.severity == .error }
    return Dictionary(
      errors.compactMap { error in error.network.map { ($0, error.message) } }
    ) { first, _ in first }
  }

  /// Its folders cannot be.
  private struct NoHome: Error {}

  /// The process that serves the home. A connection closed at once has no effect on the daemon.
  private func serving() -> HostFacts.Serving {
    let pid = (try? Files.read(home.pidFile, limit: 64))
      .flatMap { Int32(String(decoding: $0, as: UTF8.self).filter(\.isNumber)) }
    let files = [home.pidFile, home.controlSocket, home.attachSocket].filter(Files.exists)
    if let there = try? Files.info(home.controlSocket), there.kind != .socket {
      return .notOurs("\(there.kind.words) is there, not a socket: \(home.controlSocket)")
    }
    do throws(SystemError) {
      Descriptor.close(try UnixSocket.connect(path: home.controlSocket, patience: 1000))
      // The kernel accepts connections also for a process that hangs.
      guard let pid, (try? ControlClient(home: home).requireAnswer()) == nil else {
        return .daemon(pid: pid)
      }
      return Self.silent(pid)
    } catch {
      switch error.errno {
      case .noSuchFile, .connectionRefused:
        if let pid, OtherProcess.isAlive(pid), Self.isOurs(pid) { return Self.silent(pid) }
        return files.isEmpty ? .nobody : .leftOver(files)
      case .wouldBlock: return pid.map(Self.silent) ?? .notOurs(error.reason)
      // The finding about the home covers it.
      case .nameTooLong, .notDirectory: return .nobody
      default: return .notOurs(error.reason)
      }
    }
  }

  private static func silent(_ pid: Int32) -> HostFacts.Serving {
    .silent(pid: pid, isStopped: OtherProcess.isStopped(pid))
  }

  /// False if another program has that process id now.
  private static func isOurs(_ pid: Int32) -> Bool {
    guard let program = OtherProcess.arguments(pid).first else {
      #if os(Linux)
        return false
      #else
        return true
      #endif
    }
    return program.split(separator: "/").last == "lima-netd"
  }

  /// lima-netd-host loads a plugin, and so the libraries that only plugins need.
  static func runtime(_ installation: Installation) -> HostFacts.Runtime {
    guard Files.exists(installation.hostExecutable) else {
      return .missing(installation.hostExecutable)
    }
    let plugins =
      (try? Files.list(installation.pluginDirectory) { $0.hasPrefix("liblima-net-") }) ?? []
    guard let plugin = plugins.first else {
      return .failed("there is no plugin in \(installation.pluginDirectory)")
    }
    let file = installation.pluginDirectory + "/" + plugin
    do throws(SystemError) {
      let result = try BoundedCommand.run(
        installation.hostExecutable, ["inspect", file], seconds: patience)
      guard let status = result.status else { return .silent(installation.hostExecutable) }
      if status.isSuccess { return .works }
      return .broken(HostTrouble(status: status, said: result.errors + "\n" + result.output))
    } catch {
      return .broken(HostTrouble(error))
    }
  }

  static func resolver(_ path: String) -> HostFacts.Resolver {
    do throws(SystemError) {
      let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
      return .servers(
        text.split(separator: "\n").count {
          let words = $0.split(whereSeparator: { $0 == " " || $0 == "\t" })
          return words.first == "nameserver" && words.count > 1
        })
    } catch {
      return .unreadable(error.reason)
    }
  }

  /// Also searches the folders of programs for administrators.
  static func find(_ program: String) -> String? {
    ProgramSearch.find(
      program, in: (CurrentProcess.environment["PATH"] ?? "") + ":/usr/sbin:/usr/bin:/sbin:/bin")
  }

  /// The environment with messages in a language that a program can parse.
  static var environment: [String] {
    var environment = CurrentProcess.environment
    environment["LC_ALL"] = "C"
    return environment.map { "\($0.key)=\($0.value)" }
  }
}

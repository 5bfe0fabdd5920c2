// SPDX-License-Identifier: Apache-2.0
//
// Requirements of all modes: a valid configuration, a home with valid socket paths and no daemon of another user, programs
// that run.

import Platform

extension Diagnosis {
  func configuration() -> [Finding] {
    // Of a home that is too long nothing can be read, and its own line says so.
    guard facts.home.problem == nil else { return [] }
    guard let error = facts.configuration.error else {
      return facts.configuration.networks.compactMap { network in
        facts.configuration.mistakes[network.name].map {
          resting(
            Finding(
              .configuration, [network.settings.mode], .problem, $0,
              remedy: "\(facts.command) network edit\(homeWords)"), network)
        }
      }
    }
    return [
      Finding(
        .configuration, DoctorModes.all, .problem, "\(facts.home.configFile) is refused: \(error)",
        remedy: "${EDITOR:-vi} \(ShellWord.quoted(facts.home.configFile))")
    ]
  }

  /// Requested modes that no network has.
  func absent(_ asked: [String]) -> [Finding] {
    guard facts.configuration.error == nil else { return [] }
    let file = facts.home.configFile
    return asked.filter { networks([$0]).isEmpty }.map { mode in
      // A network of another mode may have the name.
      let isFree = !facts.configuration.networks.contains { $0.name == mode }
      let remedy = CreationCommand.ofDefault(
        mode, hasFile: facts.configuration.isThere, isLinux: isLinux, command: facts.command,
        home: homeWords, sudo: isRoot ? "" : "sudo ")
      return Finding(
        .configuration, [mode], .problem,
        facts.configuration.isThere
          ? "\(file) has no network of mode \(mode)"
          : "\(file) is not there, and without it there is no network of mode \(mode)",
        remedy: isFree ? remedy : "\(facts.command) network edit\(homeWords)")
    }
  }

  func home() -> [Finding] {
    if let problem = facts.home.problem {
      return [Finding(.home, DoctorModes.all, .problem, problem, remedy: shorterHome)]
    }
    if let problem = facts.user.homeProblem {
      return [Finding(.home, DoctorModes.all, .problem, problem)]
    }
    let tooLong = facts.configuration.networks.compactMap { network in
      facts.home.problem(ofNetwork: network.name).map {
        // A key of networks.yaml must be renamed manually.
        Finding(
          .home, [network.settings.mode], .problem, $0,
          remedy: "\(facts.command) network edit\(homeWords)")
      }
    }
    guard tooLong.isEmpty else { return tooLong }
    let limit = UnixSocket.maximumPathLength
    return [
      Finding(
        .home, DoctorModes.all, .ok,
        "\(facts.home.path): the paths of its sockets have at most \(limit) bytes")
    ]
  }

  /// The default home if it is shorter; otherwise one that root creates for this user.
  private var shorterHome: String {
    if let usual = facts.user.usualHome, usual != facts.home,
      usual.problem == nil
    {
      return "export LIMA_HOME=\(ShellWord.quoted(usual.path))"
    }
    return asRoot("install -d -m 700 -o \"$(id -u)\" /srv/lima") + " && export LIMA_HOME=/srv/lima"
  }

  func daemon() -> [Finding] {
    let home = facts.home.path
    let (status, text, remedy): (Finding.Status, String, String?) =
      switch facts.serving {
      case .nobody: (.ok, "no daemon serves \(home) now", nil)
      case .daemon(let pid):
        (.ok, "a daemon serves \(home)" + (pid.map { ", process \($0)" } ?? ""), nil)
      case .leftOver(let files):
        (
          .warning,
          "\(files.joined(separator: ", ")): left by a daemon that is gone; the next one takes over",
          "rm -f \(files.map(ShellWord.quoted).joined(separator: " "))"
        )
      case .silent(let pid, isStopped: true):
        (
          .problem,
          "process \(pid) holds \(home) and is stopped, by SIGSTOP or a debugger: networks without guests cannot start, "
            + "and no command is answered",
          "kill -CONT \(pid)"
        )
      case .silent(let pid, isStopped: false):
        (
          .problem,
          "process \(pid) holds \(home) and does not answer: it hangs, or starts just now",
          "kill \(pid)"
        )
      case .notOurs(let reason):
        (
          .problem, "the daemon's socket cannot be used: \(reason)",
          "ls -ld \(ShellWord.quoted(facts.home.networksDirectory)) \(ShellWord.quoted(facts.home.controlSocket))"
        )
      }
    return [Finding(.daemon, DoctorModes.all, status, text, remedy: remedy)]
  }

  func runtime() -> [Finding] {
    let (status, text, remedy): (Finding.Status, String, String?) =
      switch facts.runtime {
      case .works: (.ok, "lima-netd-host runs and loads plugins", nil)
      case .missing(let path):
        (.problem, "\(path) is missing: it lies beside lima-netd or in ../libexec/lima-netd", nil)
      case .failed(let text):
        (
          .problem, "lima-netd-host does not work: \(text)",
          HostTrouble.package(for: text).map(asRoot)
        )
      case .broken(let trouble):
        (
          .problem, "lima-netd-host cannot start: \(trouble.reason)",
          trouble.remedy.map { $0.hasPrefix("apt-get ") ? asRoot($0) : $0 }
        )
      case .silent(let path):
        (
          .problem, "\(path) did not answer within some seconds",
          "\(ShellWord.quoted(path)) inspect /dev/null"
        )
      }
    return [Finding(.runtime, DoctorModes.all, status, text, remedy: remedy)]
  }

  func descriptors() -> [Finding] {
    guard let limit = facts.kernel.descriptors else { return [] }
    guard limit < 4096 else {
      return [
        Finding(.descriptors, DoctorModes.all, .ok, "a process may have \(limit) descriptors")
      ]
    }
    return [
      Finding(
        .descriptors, DoctorModes.all, limit < 256 ? .problem : .warning,
        "a process may have \(limit) descriptors only: each connection of a guest takes one",
        remedy: asRoot("prlimit --nofile=65536:65536 --pid $$"))
    ]
  }

  func inotify() -> [Finding] {
    guard isLinux, let inotify = facts.kernel.inotify else { return [] }
    guard inotify.works else {
      return [
        Finding(
          .inotify, DoctorModes.all, .warning,
          "no inotify instance is left for this user"
            + (inotify.instances.map { " (fs.inotify.max_user_instances is \($0))" } ?? "")
            + ": changes of networks.yaml hold after SIGHUP only",
          remedy: sysctl("fs.inotify.max_user_instances=1024"))
      ]
    }
    if let watches = inotify.watches, watches < 1024 {
      return [
        Finding(
          .inotify, DoctorModes.all, .warning,
          "fs.inotify.max_user_watches is \(watches): changes of networks.yaml may go unnoticed",
          remedy: sysctl("fs.inotify.max_user_watches=65536"))
      ]
    }
    return [Finding(.inotify, DoctorModes.all, .ok, "changes of networks.yaml are noticed")]
  }
}

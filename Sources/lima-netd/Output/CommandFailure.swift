// SPDX-License-Identifier: Apache-2.0
//
// CommandFailure: the failure of a command, as text for users. ArgumentParser prints it as "Error: ...".

import LibC
import Daemon
import Platform

struct CommandFailure: Error, Hashable, CustomStringConvertible {
  /// What happened: one sentence, without a full stop at the end.
  let message: String
  /// The remedy; a command, if one exists.
  let remedy: String?
  /// The daemon's error code, as "NOT_FOUND"; nil: an error of the command itself.
  let code: String?
  /// Of `daemonNotRunning`: whoever asks may have one of their own; false: by sudo it would be another's.
  var isForOwner = true

  init(_ message: String, remedy: String? = nil, code: String? = nil) {
    self.message = message
    self.remedy = remedy
    self.code = code
  }

  var description: String {
    remedy.map { "\(message)\n\($0)" } ?? message
  }
}

extension CommandFailure {
  /// For an inaccessible file its owner, and the remedy; for other calls the kernel's error.
  init(_ error: SystemError) {
    let trouble = FileTrouble(error)
    self.init(trouble?.message ?? error.description, remedy: trouble?.remedy)
  }

  /// No process listens on the sockets of this Lima home.
  static func daemonNotRunning(_ home: String) -> CommandFailure {
    daemonNotRunning(home, environment: CurrentProcess.environment, isRoot: CurrentProcess.isRoot)
  }

  static func daemonNotRunning(
    _ home: String, environment: [String: String], isRoot: Bool,
    account: (UInt32) -> (name: String, home: String)? = { uid in
      AccountNames.user(uid).map { ($0, AccountNames.home(uid) ?? "/") }
    }
  ) -> CommandFailure {
    // With sudo: root's daemon is not the one that the user means.
    let isNamed = !(environment["LIMA_HOME"] ?? "").isEmpty
    if isRoot, !isNamed, let uid = environment["SUDO_UID"].flatMap({ UInt32($0) }), uid != 0,
      let caller = account(uid), home == (environment["HOME"] ?? "") + "/.lima",
      home != caller.home + "/.lima"
    {
      var failure = CommandFailure(
        "No daemon serves \(caller.home)/.lima, nor root's own \(home)",
        remedy:
          "Start one as \(caller.name), without sudo:  lima-netd &  (another home is named with --lima-home)"
      )
      failure.isForOwner = false
      return failure
    }
    let words =
      environment["HOME"].map { $0 + "/.lima" } == home
      ? "" : " --lima-home \(ShellWord.quoted(home))"
    return CommandFailure(
      "No daemon serves \(home)", remedy: "Start one:  lima-netd serve\(words) &")
  }

  /// It accepts connections and does not answer.
  static func daemonSilent(_ home: LimaHome, pid: Int32?) -> CommandFailure {
    guard let pid else {
      return CommandFailure("The daemon of \(home.path) does not answer", remedy: look(home))
    }
    guard OtherProcess.isStopped(pid) else {
      return CommandFailure(
        "The daemon of \(home.path) does not answer: its process \(pid) hangs"
          + (OtherProcess.state(pid).map { " (state \($0))" } ?? ""),
        remedy: look(home) + "; end it:  kill \(pid)")
    }
    return CommandFailure(
      "The daemon of \(home.path) does not answer: its process \(pid) is stopped, by SIGSTOP or a debugger",
      remedy: "Let it go on:  kill -CONT \(pid)")
  }

  /// It has the home's lock, and no socket.
  static func daemonUnheard(_ home: LimaHome, pid: Int32) -> CommandFailure {
    CommandFailure(
      "Process \(pid) serves \(home.path), but nobody listens at \(home.controlSocket): it was removed, or the process stops",
      remedy:
        "If that stays so, end it and start it again:  kill \(pid); lima-netd serve\(HomeOptions.words(for: home)) &"
    )
  }

  /// Its answer is invalid, which its version does not explain.
  static func daemonStrange(_ home: LimaHome, _ what: String, pid: Int32?) -> CommandFailure {
    CommandFailure(
      "The daemon of \(home.path) makes no sense: \(what)",
      remedy: pid.map { "\(look(home)); end it:  kill \($0)" }
        ?? "Something else may listen at \(home.controlSocket). See which:  sudo ss -xlp src "
        + ShellWord.quoted(home.controlSocket))
  }

  private static func look(_ home: LimaHome) -> String { "Its log may say more: \(home.daemonLog)" }

  /// A process listens, but the connection failed.
  static func daemonUnreachable(_ home: LimaHome, _ errno: Errno) -> CommandFailure {
    switch errno {
    case Errno(EACCES), Errno(EPERM):
      return closed(home)
    case .wouldBlock:
      return CommandFailure(
        "Whoever listens at \(home.controlSocket) takes no connections",
        remedy: "It is busy or hangs; its log may say more:  \(home.daemonLog)")
    default:
      return CommandFailure("The daemon of \(home.path) could not be reached: \(errno)")
    }
  }

  /// The sockets belong to another user.
  private static func closed(_ home: LimaHome) -> CommandFailure {
    let places = [home.controlSocket, home.networksDirectory, home.path]
    let owner = places.lazy.compactMap { try? Files.info($0).uid }.first
    let user = CurrentProcess.effectiveUser
    guard let owner, owner != user else {
      return CommandFailure(
        "The daemon of \(home.path) may not be reached by \(ForeignOwner.systemName(user))",
        remedy: "A folder on the way to its sockets is closed:  namei -l \(home.controlSocket)")
    }
    return CommandFailure(
      ForeignOwner(owner, user: user).sentence("The daemon of \(home.path)", isFile: false),
      remedy:
        "Run this as \(ForeignOwner.systemName(owner)), or name another home:  --lima-home DIR")
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// CommandFailure: why a command could not do its work, for people. ArgumentParser prints it as "Error: ...".

import Daemon
import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

struct CommandFailure: Error, Hashable, CustomStringConvertible {
  /// What happened: one sentence, without a full stop at the end.
  let message: String
  /// What to do about it; a command, where one does it.
  let remedy: String?
  /// The daemon's, as "NOT_FOUND"; nil: it is the command's own.
  let code: String?

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
  /// Nobody listens on the sockets of this Lima home.
  static func daemonNotRunning(_ home: String) -> CommandFailure {
    CommandFailure(
      "No daemon serves \(home)",
      remedy: "Start one:  lima-netd serve --lima-home \(home) &")
  }
  /// It takes connections and says nothing.
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

  private static func look(_ home: LimaHome) -> String { "Its log may say more: \(home.daemonLog)" }

  /// Somebody listens, but the connection could not be made.
  static func daemonUnreachable(_ home: String, _ errno: Errno) -> CommandFailure {
    let remedy: String? =
      switch errno {
      case Errno(EACCES), Errno(EPERM):
        "Its sockets are open to the user who started it; run this as that user."
      case .wouldBlock: "It is busy or hangs; its log may say more."
      default: nil
      }
    return CommandFailure("The daemon of \(home) could not be reached: \(errno)", remedy: remedy)
  }
}

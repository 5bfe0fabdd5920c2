// SPDX-License-Identifier: Apache-2.0
//
// CommandFailure: why a command could not do its work, for people. ArgumentParser prints it as "Error: ...".

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

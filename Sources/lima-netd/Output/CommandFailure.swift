// SPDX-License-Identifier: Apache-2.0
//
// CommandFailure: why a command could not do its work, for people. ArgumentParser prints it as "Error: ...".

struct CommandFailure: Error, Hashable, CustomStringConvertible {
  /// What happened: one sentence, without a full stop at the end.
  let message: String
  /// What to do about it; a command, where one does it.
  let remedy: String?

  init(_ message: String, remedy: String? = nil) {
    self.message = message
    self.remedy = remedy
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
}

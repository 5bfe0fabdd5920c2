// SPDX-License-Identifier: Apache-2.0
//
// NetworksPaths: what networks.yaml says of programs and files that root runs and writes (`paths:` and `group:`), for
// whoever asks: the daemon, `sudoers`, `doctor`. ConfigDecoder reads it; Safety/NetworksPaths+Rules.swift has the rules.

package struct NetworksPaths: Hashable, Sendable, Codable {
  /// Empty: not set.
  package var socketVMNet = ""
  package var varRun = ""
  package var sudoers = ""
  package var group = ""

  package init(
    socketVMNet: String = "", varRun: String = "", sudoers: String = "", group: String = ""
  ) {
    self.socketVMNet = socketVMNet
    self.varRun = varRun
    self.sudoers = sudoers
    self.group = group
  }

  /// Of a home without the file, for which Lima's default one stands.
  package init(_ template: NetworksTemplate) {
    self.init(
      socketVMNet: template.socketVMNet, varRun: template.varRun, sudoers: template.sudoers,
      group: template.group)
  }

  /// What a file means by keys that it does not have: programs and their folder are where Lima's default file has them;
  /// nobody is let in, and no sudoers file is named.
  package static func absent(in template: NetworksTemplate) -> NetworksPaths {
    NetworksPaths(socketVMNet: template.socketVMNet, varRun: template.varRun)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// NetworksPaths: programs and files of networks.yaml that root runs and writes (`paths:` and `group:`), for the daemon,
// `sudoers` and `doctor`. ConfigDecoder parses it; Safety/NetworksPaths+Rules.swift has the rules.

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

  /// Of a home without the file, whose default is Lima's.
  package init(_ template: NetworksTemplate) {
    self.init(
      socketVMNet: template.socketVMNet, varRun: template.varRun, sudoers: template.sudoers,
      group: template.group)
  }

  /// Defaults for missing keys of a file: programs and their directory are those of Lima's default file; there is no group
  /// and no sudoers file.
  package static func absent(in template: NetworksTemplate) -> NetworksPaths {
    NetworksPaths(socketVMNet: template.socketVMNet, varRun: template.varRun)
  }
}

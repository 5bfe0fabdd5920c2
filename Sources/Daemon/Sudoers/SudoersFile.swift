// SPDX-License-Identifier: Apache-2.0
//
// SudoersFile: the file of lima-netd's lines for sudo on Linux, and the command that writes it, for messages. It is
// separate from `paths.sudoers`, which `limactl sudoers` and Lima's documentation overwrite. Pure.

import Platform

package enum SudoersFile {
  package static let path = "/etc/sudoers.d/lima-netd"

  /// The command that writes the lines, after which sudo needs no password for the networks' interfaces.
  /// - Parameters:
  ///   - command: this program, quoted for a shell.
  ///   - user: the user, if the group of networks.yaml is not meant.
  ///   - home: " --lima-home DIR", or "".
  package static func writing(
    _ command: String, user: String? = nil, home: String, path: String = path
  ) -> String {
    "\(command) sudoers" + (user.map { " --user \(ShellWord.quoted($0))" } ?? "")
      + "\(home) | sudo tee \(ShellWord.quoted(path))"
  }

  /// The default subject of the lines: the group of networks.yaml if the user is a member, else the user. sudo ignores
  /// lines for groups that the user is not in.
  package static func subject(
    group: String, isMember: Bool, name: String?, uid: UInt32
  ) -> SudoersLinux.Who {
    group.isEmpty || !isMember ? .user(name: name, uid: uid) : .group(group)
  }
}

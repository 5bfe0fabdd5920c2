// SPDX-License-Identifier: Apache-2.0
//
// SudoersFile: where lima-netd's lines for sudo are on Linux, and the command that writes them there, for people to paste. A
// file of our own: `limactl sudoers` and who follows its documentation write that of `paths.sudoers` whole. Pure.

import Platform

package enum SudoersFile {
  package static let path = "/etc/sudoers.d/lima-netd"

  /// The command that lets sudo make the networks' interfaces without a password.
  /// - Parameters:
  ///   - command: this program, as a word for a shell.
  ///   - user: for whom, where the group of networks.yaml is not meant.
  ///   - home: " --lima-home DIR", or "".
  package static func writing(
    _ command: String, user: String? = nil, home: String, path: String = path
  ) -> String {
    "\(command) sudoers" + (user.map { " --user \(ShellWord.quoted($0))" } ?? "")
      + "\(home) | sudo tee \(ShellWord.quoted(path))"
  }

  /// For whom the lines are where nobody said so: the group of networks.yaml if who asks is one of it, else who asks. sudo
  /// does nothing for a user by a group that they are not in.
  package static func subject(
    group: String, isMember: Bool, name: String?, uid: UInt32
  ) -> SudoersLinux.Who {
    group.isEmpty || !isMember ? .user(name: name, uid: uid) : .group(group)
  }
}

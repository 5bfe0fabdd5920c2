// SPDX-License-Identifier: Apache-2.0
//
// ForeignOwner: the sentence about a thing of another user, which all refusals of this kind begin with.

import Platform

package struct ForeignOwner: Sendable, Hashable {
  package let owner: UInt32
  /// The effective uid that tried.
  package let user: UInt32

  package init(_ owner: UInt32, user: UInt32) {
    self.owner = owner
    self.user = user
  }

  /// - Parameters:
  ///   - subject: what it is: a path, or words.
  ///   - isFile: a file of root's in somebody's home is most likely one that lima-netd made as root.
  package func sentence(
    _ subject: String, isFile: Bool = true, name: (UInt32) -> String = Self.systemName
  ) -> String {
    "\(subject) belongs to \(name(owner)), and you are \(name(user))"
      + (isFile && owner == 0 ? ": probably since a `sudo lima-netd`" : "")
  }

  package static func systemName(_ user: UInt32) -> String {
    AccountNames.user(user) ?? "user \(user)"
  }
}

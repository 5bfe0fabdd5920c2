// SPDX-License-Identifier: Apache-2.0
//
// `user:` of a network, or at the top for all of them: as whom a network's process runs. A name or number of the
// system's; `root` is as good as none, and lets a network leave out what holds for the others.

import Platform

extension ConfigDecoder {
  /// What it has to know of the machine.
  package struct Accounts: Sendable {
    package var find: @Sendable (String) -> ProcessUser?
    /// The daemon may become somebody else.
    package var isRoot: Bool

    package init(isRoot: Bool, find: @escaping @Sendable (String) -> ProcessUser?) {
      self.find = find
      self.isRoot = isRoot
    }

    package static var system: Accounts {
      #if os(Linux)
        let isRoot = ProcessUser.isRoot
      #else
        let isRoot = false
      #endif
      return Accounts(isRoot: isRoot) { ProcessUser.find($0) }
    }
  }

  /// Nil: as the daemon does.
  mutating func decodeUser(_ member: YAMLNode.Member, path: [String]) -> ProcessUser? {
    if member.value.isNull { return nil }
    guard case .scalar(let text, plain: _) = member.value.content, !text.isEmpty else {
      problem(
        .wrongType(expected: "the name or number of a user", found: member.value.kindName), path,
        member.value.mark)
      return nil
    }
    guard let user = accounts.find(text) else {
      problem(.unknownUser(text), path, member.value.mark)
      return nil
    }
    if user.uid == 0 { return nil }
    guard accounts.isRoot else {
      warnings.append(
        ConfigProblem(.userWithoutRoot(user.name), path: path, mark: member.value.mark))
      return nil
    }
    return user
  }
}

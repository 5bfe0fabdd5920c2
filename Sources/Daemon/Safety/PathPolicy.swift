// SPDX-License-Identifier: Apache-2.0
//
// PathPolicy: the requirements on each component of a path that root uses.

package struct PathPolicy: Hashable, Sendable {
  /// For `paths.varRun`: this group may write, and must be able to reach the directory.
  package var daemonGroup: UInt32?
  /// A sticky directory may be writable by all users (/tmp) if the next component belongs to root: no one else can rename
  /// it.
  package var allowsSticky = false
  /// The uid of unmapped users in a user namespace counts as root, too; the caller cannot choose it.
  package var unmappedUser: UInt32?
  /// Each component must be an identifier.
  package var wantsIdentifiers = false

  package init(
    daemonGroup: UInt32? = nil, allowsSticky: Bool = false, unmappedUser: UInt32? = nil,
    wantsIdentifiers: Bool = false
  ) {
    self.daemonGroup = daemonGroup
    self.allowsSticky = allowsSticky
    self.unmappedUser = unmappedUser
    self.wantsIdentifiers = wantsIdentifiers
  }
}

extension PathPolicy {
  func isRoots(_ status: PathStatus) -> Bool {
    status.uid == 0 || status.uid == unmappedUser
  }

  /// The flaw of a component, by which other users could change what follows it. Links are refused.
  /// - Parameter child: the next component; nil: this is the last.
  func flaw(of node: PathNode, child: PathStatus?) -> PathFlaw? {
    let status = node.status
    if status.kind == .symbolicLink { return .symbolicLink(node) }
    guard isRoots(status) else { return .owner(node) }
    if allowsSticky, status.kind == .directory, status.mode & 0o1000 != 0, let child,
      isRoots(child)
    {
      return nil
    }
    let groups: Set<UInt32> = daemonGroup.map { [0, $0] } ?? [0]
    if status.mode & 0o020 != 0, !groups.contains(status.gid) {
      return .groupWritable(node, daemonGroup: daemonGroup)
    }
    if let daemons = daemonGroup, status.kind == .directory, status.mode & 0o001 == 0,
      status.mode & 0o010 == 0 || status.gid != daemons
    {
      return .notExecutableByDaemons(node, daemonGroup: daemons)
    }
    return status.mode & 0o002 != 0 ? .worldWritable(node) : nil
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// PathPolicy: what one step on the way to a file has to be, for root to trust what lies behind it.

package struct PathPolicy: Hashable, Sendable {
  /// The rules of `paths.varRun`: this group may write, and must be able to get there.
  package var daemonGroup: UInt32?
  /// A sticky directory may be open to all (/tmp) where what lies in it, on the way, is root's: nobody else can move that.
  package var allowsSticky = false
  /// Counts as root, too: in a user namespace, who has no number there (and so is not the caller's to choose).
  package var unmappedUser: UInt32?
  /// Each component has to be an identifier.
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

  /// What one step lets others do to what lies behind it; a link does not lead on here.
  /// - Parameter child: the next step; nil: it ends here.
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

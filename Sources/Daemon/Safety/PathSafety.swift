// SPDX-License-Identifier: Apache-2.0
//
// PathSafety: may root run, or write to, what lies at a path? Only if nobody but root can put another thing there: the
// file and every directory above it are root's, no link leads there, and nobody else may write. The rules are Lima's
// (pkg/networks/validate.go); two more cases are said in `PathPolicy`.
//
// Pure but for `look`. The way is looked at from / downwards: once a directory is found safe, nobody but root can change
// its entries any more, so what is found below it stays, and the verdict still holds when the program is run. The other
// way round (a file first, its directory later) an entry could be exchanged in between.

import Platform

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

package struct PathSafety {
  /// lstat.
  package typealias Look = (String) throws(SystemError) -> PathStatus

  private let policy: PathPolicy
  private let look: Look

  package init(
    _ policy: PathPolicy = PathPolicy(),
    look: @escaping Look = { (path) throws(SystemError) in
      PathStatus(try Files.info(path, followLinks: false))
    }
  ) {
    self.policy = policy
    self.look = look
  }

  /// Nil: safe. An empty path is nobody's, and safe. Of several flaws that of the deepest place is told, as Lima does.
  package func flaw(of path: String) -> PathFlaw? {
    guard !path.isEmpty else { return nil }
    guard path.hasPrefix("/") else { return .notAbsolute(path) }
    guard !path.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 })
    else { return .whitespace(path) }
    let components = path.split(separator: "/").map(String.init)
    for component in components {
      guard component != ".", component != "..",
        !policy.wantsIdentifiers || Identifier.isValid(component)
      else { return .component(component, path: path) }
    }
    var nodes: [PathNode] = []
    var current = ""
    for component in [""] + components {
      current += current.hasSuffix("/") ? component : "/" + component
      do throws(SystemError) {
        nodes.append(PathNode(current, try look(current)))
      } catch {
        if error.errno == .noSuchFile { return .missing(current) }
        return flaw(in: nodes) ?? .unreadable(current, reason: error.reason)
      }
      // What lies behind a link lies elsewhere.
      if nodes.last?.status.kind == .symbolicLink { break }
    }
    return flaw(in: nodes)
  }

  /// The same of what is there of a path whose last directories root is going to make.
  package func flawOfExisting(_ path: String) -> PathFlaw? {
    var path = path
    while true {
      guard let flaw = flaw(of: path), flaw.isMissing else { return flaw(of: path) }
      guard let slash = path.lastIndex(of: "/") else { return flaw }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
      if path == "/" { return self.flaw(of: path) }
    }
  }

  /// A regular file that root can run, besides.
  package func flaw(ofProgram path: String) -> PathFlaw? {
    if let flaw = flaw(of: path) { return flaw }
    guard !path.isEmpty, let status = try? look(path) else { return .missing(path) }
    guard status.kind == .file, status.mode & 0o111 != 0 else {
      return .notAProgram(PathNode(path, status))
    }
    return nil
  }

  private func flaw(in nodes: [PathNode]) -> PathFlaw? {
    for (index, node) in nodes.enumerated().reversed() {
      let child = index + 1 < nodes.count ? nodes[index + 1].status : nil
      if let flaw = judge(node, child: child) { return flaw }
    }
    return nil
  }

  private func isRoots(_ status: PathStatus) -> Bool {
    status.uid == 0 || status.uid == policy.unmappedUser
  }

  private func judge(_ node: PathNode, child: PathStatus?) -> PathFlaw? {
    let status = node.status
    if status.kind == .symbolicLink { return .symbolicLink(node) }
    guard isRoots(status) else { return .owner(node) }
    if policy.allowsSticky, status.kind == .directory, status.mode & 0o1000 != 0, let child,
      isRoots(child)
    {
      return nil
    }
    let groups: Set<UInt32> = policy.daemonGroup.map { [0, $0] } ?? [0]
    if status.mode & 0o020 != 0, !groups.contains(status.gid) {
      return .groupWritable(node, daemonGroup: policy.daemonGroup)
    }
    if let daemons = policy.daemonGroup, status.kind == .directory, status.mode & 0o001 == 0,
      status.mode & 0o010 == 0 || status.gid != daemons
    {
      return .notExecutableByDaemons(node, daemonGroup: daemons)
    }
    return status.mode & 0o002 != 0 ? .worldWritable(node) : nil
  }
}

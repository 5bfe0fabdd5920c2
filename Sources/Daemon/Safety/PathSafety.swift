// SPDX-License-Identifier: Apache-2.0
//
// PathSafety: whether root may run, or write to, the file at a path. That is so only if no other user can replace it: the
// file and every directory above it belong to root, none is a link, and others may not write. The rules are Lima's
// (pkg/networks/validate.go), with two more cases in `PathPolicy`.
//
// Pure but for `look`. Components are checked from / downwards: once a directory is safe, only root can change its entries,
// so that results below it stay valid until the program is run. In the other order (the file first, then its directory) an
// entry could be replaced in between.

import Platform

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

  /// "/", "/a" and "/a/b" of "/a/b".
  static func ancestors(_ path: String) -> [String] {
    var found = ["/"]
    for part in path.split(separator: "/") {
      found.append((found.count == 1 ? "" : found[found.count - 1]) + "/" + part)
    }
    return found
  }

  /// Nil: safe. An empty path is safe. Of several flaws that of the last component is returned, as in Lima.
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
      // Components after a link are not checked: the target is elsewhere.
      if nodes.last?.status.kind == .symbolicLink { break }
    }
    return flaw(in: nodes)
  }

  /// The same for the existing part of a path whose last directories root will create.
  package func flawOfExisting(_ path: String) -> PathFlaw? {
    var path = path
    while true {
      guard let flaw = flaw(of: path), flaw.isMissing else { return flaw(of: path) }
      guard let slash = path.lastIndex(of: "/") else { return flaw }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
      if path == "/" { return self.flaw(of: path) }
    }
  }

  /// The same, and the file must be a regular file that root can execute.
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
      if let flaw = policy.flaw(of: node, child: child) { return flaw }
    }
    return nil
  }
}

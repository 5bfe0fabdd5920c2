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
      if let flaw = policy.flaw(of: node, child: child) { return flaw }
    }
    return nil
  }
}

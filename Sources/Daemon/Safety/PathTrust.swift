// SPDX-License-Identifier: Apache-2.0
//
// PathTrust: may root use what a path leads to, where links may lead on? Only if nobody but root can put another thing
// there: at each hop, each step from / downwards is root's, and nobody else may write it (as PathSafety, which takes no
// links). A link is judged as the entry of its directory that it is; then its target is walked, too.
//
// Pure but for `look` and `follow`.

import Platform

package struct PathTrust {
  /// readlink.
  package typealias Follow = (String) throws(SystemError) -> String

  /// Links followed on one way, as the kernel bounds them (path_resolution(7)).
  static let maximumLinks = 40

  private let policy: PathPolicy
  private let look: PathSafety.Look
  private let follow: Follow

  package init(
    _ policy: PathPolicy = HelperSafety.policy,
    look: @escaping PathSafety.Look = { (path) throws(SystemError) in
      PathStatus(try Files.info(path, followLinks: false))
    },
    follow: @escaping Follow = { (path) throws(SystemError) in try Files.readLink(path) }
  ) {
    self.policy = policy
    self.look = look
    self.follow = follow
  }

  /// Nil: it may. The path is absolute; what is not there is `.missing`. Blocks on the disk.
  /// - Parameter next: what root is about to make in it.
  package func flaw(of path: String, next: PathStatus? = nil) -> PathFlaw? {
    guard path.hasPrefix("/") else { return .notAbsolute(path) }
    var rest = Self.components(path)
    // The directories that lead to where we are, / first; none of them is a link.
    var way: [PathNode] = []
    var links = 0
    do throws(SystemError) {
      way = [PathNode("/", try look("/"))]
      while !rest.isEmpty {
        let component = rest.removeFirst()
        if component == ".." {
          if way.count > 1 { way.removeLast() }
          continue
        }
        guard let directory = way.last else { return .missing(path) }
        let current = directory.path == "/" ? "/" + component : "\(directory.path)/\(component)"
        let status = try look(current)
        if let flaw = policy.flaw(of: directory, child: status) { return flaw }
        guard status.kind == .symbolicLink else {
          way.append(PathNode(current, status))
          continue
        }
        guard policy.isRoots(status) else { return .owner(PathNode(current, status)) }
        links += 1
        guard links <= Self.maximumLinks else {
          return .unreadable(path, reason: Errno.tooManyLinks.description)
        }
        let target = try follow(current)
        if target.hasPrefix("/") { way = Array(way.prefix(1)) }
        rest = Self.components(target) + rest
      }
    } catch {
      if error.errno == .noSuchFile { return .missing(error.subject ?? path) }
      return .unreadable(path, reason: error.reason)
    }
    return way.last.flatMap { policy.flaw(of: $0, child: next) }
  }

  /// The same of what is there of a path whose end is not there yet: root will make it.
  package func flawOfExisting(_ path: String) -> PathFlaw? {
    var path = path
    var next: PathStatus?
    while let flaw = flaw(of: path, next: next) {
      guard flaw.isMissing, let slash = path.lastIndex(of: "/"), path != "/" else { return flaw }
      path = slash == path.startIndex ? "/" : String(path[..<slash])
      next = PathStatus(kind: .directory, mode: 0o755)
    }
    return nil
  }

  private static func components(_ path: String) -> [String] {
    path.split(separator: "/").map(String.init).filter { $0 != "." }
  }
}

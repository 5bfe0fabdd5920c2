// SPDX-License-Identifier: Apache-2.0
//
// PathTrust: whether root may use a path that may contain links. That is so only if no other user can replace its target:
// for each link, each component from / downwards belongs to root, and others may not write it (as in PathSafety, which
// refuses links). A link is checked as an entry of its directory; then its target is checked.
//
// Pure but for `look` and `follow`.

import Platform

package struct PathTrust {
  /// readlink.
  package typealias Follow = (String) throws(SystemError) -> String

  /// Maximum number of links, as in the kernel (path_resolution(7)).
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

  /// Nil: it may. The path is absolute; a missing one is `.missing`. Blocks on I/O.
  /// - Parameter next: the file that root is about to create in it.
  package func flaw(of path: String, next: PathStatus? = nil) -> PathFlaw? {
    guard path.hasPrefix("/") else { return .notAbsolute(path) }
    var rest = Self.components(path)
    // The directories from / to the present one; none is a link.
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

  /// The same for the existing part of a path that root will create.
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

// SPDX-License-Identifier: Apache-2.0
//
// PathFlaw: why a path is not safe to be run, or written to, as root; in Lima's wording (pkg/networks/validate.go) where
// Lima has the rule.

import Platform

package enum PathFlaw: Error, Hashable, Sendable, CustomStringConvertible {
  case notAbsolute(String)
  case whitespace(String)
  /// ".", ".." or, if required, no identifier.
  case component(String, path: String)
  /// The path does not exist.
  case missing(String)
  case unreadable(String, reason: String)
  case symbolicLink(PathNode)
  case owner(PathNode)
  case groupWritable(PathNode, daemonGroup: UInt32?)
  case notExecutableByDaemons(PathNode, daemonGroup: UInt32)
  case worldWritable(PathNode)
  /// It is no executable file.
  case notAProgram(PathNode)

  package var description: String {
    switch self {
    case .notAbsolute(let path): "path `\(path)` is not an absolute path"
    case .whitespace(let path): "path `\(path)` contains whitespace"
    case .component(let component, let path): "invalid component `\(component)` in path `\(path)`"
    case .missing(let path): "`\(path)` does not exist"
    case .unreadable(let path, let reason): "`\(path)` cannot be looked at: \(reason)"
    case .symbolicLink(let node): "\(node) is a symlink"
    case .owner(let node):
      "\(node) is not owned by `root` (uid: 0), but by uid \(node.status.uid)"
    case .groupWritable(let node, nil):
      "\(node) is group-writable and group is not `root` (gid: 0), but is gid: \(node.status.gid)"
    case .groupWritable(let node, let daemons?):
      "\(node) is group-writable and group is neither `root` (gid: 0) nor `daemon` (gid: \(daemons)), "
        + "but is gid: \(node.status.gid)"
    case .notExecutableByDaemons(let node, let daemons):
      "\(node) is not executable by the `daemon` (gid: \(daemons)) group"
    case .worldWritable(let node): "\(node) is world-writable"
    case .notAProgram(let node): "\(node) is not a program that root can run"
    }
  }

  /// The only flaw is that it does not exist.
  package var isMissing: Bool {
    if case .missing = self { true } else { false }
  }

  /// The command that resolves it, as root; nil if several are needed.
  package var remedy: String? {
    switch self {
    case .owner(let node): "sudo chown root \(node.path)"
    case .groupWritable(let node, _): "sudo chmod g-w \(node.path)"
    case .notExecutableByDaemons(let node, _): "sudo chmod o+x \(node.path)"
    case .worldWritable(let node): "sudo chmod o-w \(node.path)"
    case .notAProgram(let node) where node.status.kind == .file: "sudo chmod 755 \(node.path)"
    default: nil
    }
  }
}

/// A component of a path with its lstat.
package struct PathNode: Hashable, Sendable, CustomStringConvertible {
  package var path: String
  package var status: PathStatus

  package init(_ path: String, _ status: PathStatus) {
    self.path = path
    self.status = status
  }

  package var description: String {
    "\(status.kind == .directory ? "dir" : "file") `\(path)`"
  }
}

package struct PathStatus: Hashable, Sendable {
  package var kind: FileInfo.Kind
  /// Permissions, set-id and sticky bits.
  package var mode: UInt32
  package var uid: UInt32
  package var gid: UInt32

  package init(kind: FileInfo.Kind, mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0) {
    self.kind = kind
    self.mode = mode
    self.uid = uid
    self.gid = gid
  }

  package init(_ info: FileInfo) {
    self.init(kind: info.kind, mode: info.mode, uid: info.uid, gid: info.gid)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// PluginPermissions: may root load this file? Not when anybody else could put another in its place: neither the file nor
// a directory above it may be world-writable, except a sticky one (/tmp) from which the file, or the directory that
// leads to it, belongs to root.

import Platform

package enum PluginPermissions {
  /// Why root must not load `path`, with the command that mends it; nil when it may. The path is absolute.
  /// - Parameter info: stat without following links; nil when there is nothing.
  package static func refusal(
    _ path: String, info: (String) -> FileInfo? = { try? Files.info($0, followLinks: false) },
    realPath: (String) -> String? = { try? Files.realPath($0) }
  ) -> String? {
    if let reason = refusalOfChain(path, info: info) { return reason }
    guard let real = realPath(path), real != path else { return nil }
    return refusalOfChain(real, info: info)
  }

  private static func refusalOfChain(_ path: String, info: (String) -> FileInfo?) -> String? {
    var current = path
    // What `current` contains on the way to the file; nil for the file itself.
    var child: (path: String, info: FileInfo)?
    while true {
      guard let own = info(current) else { return nil }
      if own.kind != .symbolicLink, own.isWorldWritable {
        let sticky = own.kind == .directory && own.isSticky
        guard sticky, let child else {
          return
            "\(current) can be written by everybody, so root does not load plugins from it: chmod o-w \(current)"
        }
        if child.info.uid != 0 {
          return
            "\(child.path) belongs to uid \(child.info.uid) in \(current), which is open to everybody, so root "
            + "does not load it: move it to a directory of root's, or chown root \(child.path)"
        }
      }
      guard current != "/", let slash = current.lastIndex(of: "/") else { return nil }
      child = (current, own)
      current = slash == current.startIndex ? "/" : String(current[..<slash])
    }
  }
}

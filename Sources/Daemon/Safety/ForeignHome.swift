// SPDX-License-Identifier: Apache-2.0
//
// ForeignHome: access of root to a Lima home of another user (`sudo lima-netd sudoers --lima-home`, `doctor`, `network
// create`): without following links, which is Lima's rule for files that root uses (pkg/networks/validate.go), and with the
// owner's permissions, so that nothing is disclosed that the owner could not read. Blocks on I/O; for commands.

import Platform

package enum ForeignHome {
  /// The owner; nil: this process is not root, or the home is root's or does not exist.
  package static func owner(
    of home: LimaHome, isRoot: Bool = CurrentProcess.isRoot
  ) -> UInt32? {
    guard isRoot else { return nil }
    // The owner of any of them could change what root finds.
    return places(home).lazy.compactMap { try? Files.info($0, followLinks: false).uid }
      .first { $0 != 0 }
  }

  /// The owner of a networks.yaml that root creates or changes there; nil: root. A home that does not exist yet belongs to
  /// the owner of its parent directory.
  package static func writer(
    of home: LimaHome, isRoot: Bool = CurrentProcess.isRoot
  ) -> UInt32? {
    if let owner = owner(of: home, isRoot: isRoot) { return owner }
    guard isRoot, !Files.exists(home.path) else { return nil }
    var folder = home.path
    while let slash = folder.lastIndex(of: "/"), slash > folder.startIndex {
      folder = String(folder[..<slash])
      if let info = try? Files.info(folder) { return info.uid == 0 ? nil : info.uid }
    }
    return nil
  }

  /// Why root must not use networks.yaml there; nil: it may.
  package static func flaw(
    of home: LimaHome, isRoot: Bool = CurrentProcess.isRoot
  ) -> PathFlaw? {
    guard owner(of: home, isRoot: isRoot) != nil else { return nil }
    for path in places(home).dropLast() {
      guard let info = try? Files.info(path, followLinks: false), info.kind == .symbolicLink else {
        continue
      }
      return .symbolicLink(PathNode(path, PathStatus(info)))
    }
    return nil
  }

  /// The configuration of a home of any owner.
  /// - Throws: `ConfigError`; `SystemError` if its owner is no user of this system.
  package static func configuration(
    _ home: LimaHome, template: NetworksTemplate = .current
  ) throws -> Configuration {
    let file = home.configFile
    if let flaw = flaw(of: home) {
      throw ConfigError(
        file: file,
        problems: [
          ConfigProblem(.unreadable("\(flaw), and root follows none in another user's home"))
        ])
    }
    let load = { try Configuration.load(file, mayBeMissing: true, template: template) }
    #if os(Linux)
      if let owner = owner(of: home) { return try Privilege.asUser(owner, load) }
    #endif
    return try load()
  }

  /// From the file up to the home.
  private static func places(_ home: LimaHome) -> [String] {
    let file = home.configFile
    let folder = file.lastIndex(of: "/").map { String(file[..<$0]) }
    return [file, folder, home.path].compactMap { $0 }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// ForeignHome: a Lima home that belongs to somebody else than root, as root may use it (`sudo lima-netd sudoers --lima-home`,
// `doctor`, `network create`): by no link, as Lima has it for all that root touches (pkg/networks/validate.go), and read with
// its owner's rights, so that it says nothing which its owner could not have read. Blocks on the disk; for commands.

import Platform

package enum ForeignHome {
  /// Whose it is; nil: this process is not root, or the home is root's, or not there.
  package static func owner(
    of home: LimaHome, isRoot: Bool = CurrentProcess.isRoot
  ) -> UInt32? {
    guard isRoot else { return nil }
    // Whoever owns one of them has a say in what root would find.
    return places(home).lazy.compactMap { try? Files.info($0, followLinks: false).uid }
      .first { $0 != 0 }
  }

  /// Whose networks.yaml there becomes when root makes or changes it; nil: root's. A home that is not there yet is of
  /// whoever owns the folder in which it will be.
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

  /// Why root must not touch networks.yaml there; nil: it may.
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

  /// The configuration of a home, whosever it is.
  /// - Throws: `ConfigError`; `SystemError` when its owner is nobody whom this system knows.
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

  /// From the file upwards, to the home.
  private static func places(_ home: LimaHome) -> [String] {
    let file = home.configFile
    let folder = file.lastIndex(of: "/").map { String(file[..<$0]) }
    return [file, folder, home.path].compactMap { $0 }
  }
}

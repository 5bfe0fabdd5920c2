// SPDX-License-Identifier: Apache-2.0
//
// HomeTrust: whether a daemon may serve a Lima home. It must belong to the daemon's user: users who can write there
// determine which plugins run, and the sockets are that user's. Root's daemon also refuses a home or configuration that
// other users could replace.

import Platform

package struct HomeTrust {
  private let user: UInt32
  private let trust: PathTrust
  private let look: PathSafety.Look
  private let list: (String) -> [String]
  private let name: (UInt32) -> String

  package init(
    user: UInt32 = CurrentProcess.effectiveUser, trust: PathTrust = PathTrust(),
    look: @escaping PathSafety.Look = { (path) throws(SystemError) in
      PathStatus(try Files.info(path))
    },
    list: @escaping (String) -> [String] = { (try? Files.list($0)) ?? [] },
    name: @escaping (UInt32) -> String = ForeignOwner.systemName
  ) {
    self.list = list
    self.name = name
    self.user = user
    self.trust = trust
    self.look = look
  }

  /// Why a home cannot exist: one of its directories is a file; with the remedy. Nil: no obstacle. Blocks on I/O.
  package static func obstacle(
    _ home: LimaHome,
    look: PathSafety.Look = { (path) throws(SystemError) in PathStatus(try Files.info(path)) }
  ) -> String? {
    let folders = PathSafety.ancestors(home.path) + [home.networksDirectory, home.configDirectory]
    for path in folders {
      let status: PathStatus
      do throws(SystemError) { status = try look(path) } catch {
        guard error.errno == .tooManyLinks else { continue }
        return "\(path) is a symbolic link that leads back to itself: remove it, "
          + "or give another home with --lima-home"
      }
      guard status.kind != .directory else { continue }
      return "\(path) is no directory, and a Lima home needs one there: move it away, "
        + "or give another home with --lima-home"
    }
    return nil
  }

  /// Why this user's daemon refuses the home, with the remedy; nil: it serves it, or it does not exist yet. Blocks on I/O.
  package func problem(home: LimaHome) -> String? {
    if let obstacle = Self.obstacle(home, look: look) { return obstacle }
    for path in [home.path, home.networksDirectory] + ownFiles(of: home) {
      guard let status = try? look(path), status.uid != user else { continue }
      let owner = ForeignOwner(status.uid, user: user)
      if status.uid == 0, path != home.path {
        return owner.sentence(path, name: name) + ". Have it be yours:  sudo chown -R "
          + "\(name(user)): \(ShellWord.quoted(home.networksDirectory))"
      }
      return owner.sentence(path, isFile: false, name: name)
        + ": run lima-netd as its owner, or give another home with --lima-home"
    }
    guard user == 0, let flaw = trust.flawOfExisting(home.path) else { return nil }
    return "root serves no Lima home that somebody else can change: \(flaw.advice)"
  }

  /// Files that the daemon writes, and directories of its sockets.
  private func ownFiles(of home: LimaHome) -> [String] {
    list(home.networksDirectory).prefix(4096).sorted().map { home.networksDirectory + "/" + $0 }
  }

  /// The same for the configuration file.
  package func problem(configuration file: String) -> String? {
    guard user == 0, let flaw = trust.flaw(of: file), !flaw.isMissing else { return nil }
    return "root takes no configuration that somebody else can change: \(flaw.advice)"
  }
}

extension PathFlaw {
  /// The problem with its remedy: a command, or another location if the file belongs to another user: a change of the owner
  /// to root would not help.
  package var advice: String {
    if case .owner = self {
      return "\(self): run lima-netd as that user, or have it where only root may write"
    }
    // A sticky directory is writable by all users intentionally.
    if case .worldWritable(let node) = self, node.status.mode & 0o1000 != 0 {
      return "\(self): have it in a folder of root's"
    }
    return remedy.map { "\(self); \($0)" } ?? description
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// HomeTrust: whose Lima home a daemon serves. Its own user's: what others may write there decides which plugins run, and
// its sockets are its user's. Root's daemon also takes no home and no configuration that somebody else can exchange.

import Platform

package struct HomeTrust {
  private let user: UInt32
  private let trust: PathTrust
  private let look: PathSafety.Look

  package init(
    user: UInt32 = CurrentProcess.effectiveUser, trust: PathTrust = PathTrust(),
    look: @escaping PathSafety.Look = { (path) throws(SystemError) in
      PathStatus(try Files.info(path))
    }
  ) {
    self.user = user
    self.trust = trust
    self.look = look
  }

  /// What is in the way of a home at all: a file where one of its folders has to be, in words with what mends it; nil:
  /// nothing. Blocks on the disk.
  package static func obstacle(
    _ home: LimaHome,
    look: PathSafety.Look = { (path) throws(SystemError) in PathStatus(try Files.info(path)) }
  ) -> String? {
    for path in [home.path, home.networksDirectory, home.configDirectory] {
      guard let status = try? look(path), status.kind != .directory else { continue }
      return "\(path) is no directory, and a Lima home needs one there: move it away, "
        + "or give another home with --lima-home"
    }
    return nil
  }

  /// Why this user's daemon does not serve the home, with what mends it; nil: it does, or it is not there yet.
  /// Blocks on the disk.
  package func problem(home: LimaHome) -> String? {
    if let obstacle = Self.obstacle(home, look: look) { return obstacle }
    for path in [home.path, home.networksDirectory] {
      guard let status = try? look(path), status.uid != user else { continue }
      if status.uid == 0, path == home.networksDirectory {
        return "\(path) belongs to root, probably after `sudo lima-netd`: "
          + "sudo chown -R \(user): \(ShellWord.quoted(path))"
      }
      return
        "\(path) belongs to uid \(status.uid), and this is uid \(user): run lima-netd as its owner, "
        + "or give another home with --lima-home"
    }
    guard user == 0, let flaw = trust.flawOfExisting(home.path) else { return nil }
    return "root serves no Lima home that somebody else can change: \(flaw.advice)"
  }

  /// The same of the file that configures it.
  package func problem(configuration file: String) -> String? {
    guard user == 0, let flaw = trust.flaw(of: file), !flaw.isMissing else { return nil }
    return "root takes no configuration that somebody else can change: \(flaw.advice)"
  }
}

extension PathFlaw {
  /// What is wrong and what mends it: a command, or, where somebody else owns it, another place: giving a home's folder to
  /// root would mend nothing.
  package var advice: String {
    if case .owner = self {
      return "\(self): run lima-netd as that user, or have it where only root may write"
    }
    // A sticky folder is open to all on purpose.
    if case .worldWritable(let node) = self, node.status.mode & 0o1000 != 0 {
      return "\(self): have it in a folder of root's"
    }
    return remedy.map { "\(self); \($0)" } ?? description
  }
}

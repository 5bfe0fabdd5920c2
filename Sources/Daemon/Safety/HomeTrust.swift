// SPDX-License-Identifier: Apache-2.0
//
// HomeTrust: whose Lima home a daemon serves. Its own user's: what others may write there decides which plugins run, and
// its sockets are its user's. Root's daemon also takes no home and no configuration that somebody else can exchange.

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
    name: @escaping (UInt32) -> String = { AccountNames.user($0) ?? "user \($0)" }
  ) {
    self.list = list
    self.name = name
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

  /// Why this user's daemon does not serve the home, with what mends it; nil: it does, or it is not there yet.
  /// Blocks on the disk.
  package func problem(home: LimaHome) -> String? {
    if let obstacle = Self.obstacle(home, look: look) { return obstacle }
    for path in [home.path, home.networksDirectory] + ownFiles(of: home) {
      guard let status = try? look(path), status.uid != user else { continue }
      if status.uid == 0, path != home.path {
        return "\(path) belongs to root, probably after `sudo lima-netd`: "
          + "sudo chown -R \(name(user)): \(ShellWord.quoted(home.networksDirectory))"
      }
      return
        "\(path) belongs to \(name(status.uid)), and you are \(name(user)): run lima-netd as its owner, "
        + "or give another home with --lima-home"
    }
    guard user == 0, let flaw = trust.flawOfExisting(home.path) else { return nil }
    return "root serves no Lima home that somebody else can change: \(flaw.advice)"
  }

  /// What the daemon writes into or makes sockets in.
  private func ownFiles(of home: LimaHome) -> [String] {
    list(home.networksDirectory).prefix(4096).sorted().map { home.networksDirectory + "/" + $0 }
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

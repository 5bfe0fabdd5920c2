// SPDX-License-Identifier: Apache-2.0
//
// FileTrouble: why a file could not be used, with the command that resolves it: its owner, the owner of a directory on its
// path, a full or read-only disk. Derived from a `SystemError` with a path; inspects the file system again.

import LibC
import Platform

package struct FileTrouble: Error, Sendable, Hashable, CustomStringConvertible {
  /// One sentence, without a full stop.
  package let message: String
  package let remedy: String?

  /// The same in one line, for a sentence that already names the file.
  package func reason(of path: String) -> String {
    (message.hasPrefix(path + " ") ? "it" + message.dropFirst(path.count) : message)
      + (remedy.map { ". " + $0 } ?? "")
  }

  package var description: String { remedy.map { "\(message)\n\($0)" } ?? message }

  /// - Parameters:
  ///   - user: the effective uid that tried to use it.
  ///   - look: lstat, replaced in tests.
  /// - Returns: nil if the error has no path, or is of another kind.
  package init?(
    _ error: SystemError, user: UInt32 = CurrentProcess.effectiveUser,
    name: (UInt32) -> String = ForeignOwner.systemName,
    look: PathSafety.Look = { (path) throws(SystemError) in
      PathStatus(try Files.info(path))
    }
  ) {
    if let used = Self.usedUp(error) {
      self = used
      return
    }
    guard let path = error.subject, path.hasPrefix("/") else { return nil }
    let quoted = ShellWord.quoted(path)
    if let detail = error.detail {
      // "a named pipe is there, not a regular file"
      guard detail.contains(" is there, not ") else { return nil }
      self.init(
        "\(path): \(detail)", "Move it away:  mv \(quoted) \(ShellWord.quoted(path + ".old"))")
      return
    }
    switch error.errno {
    case .accessDenied where error.call == "posix_spawn" && (try? look(path))?.uid == user:
      self.init("\(path) may not be executed", "Let it be:  chmod +x \(quoted)")
    case Errno(ENOEXEC) where error.call == "posix_spawn":
      self.init("\(path) is no program of this machine", "See what it is:  file \(quoted)")
    case .addressInUse:
      self.init(
        "\(path) is served by another program",
        "See which:  sudo ss -xlp src \(quoted)  and end it, or take another home:  --lima-home DIR"
      )
    case .accessDenied, .notPermitted:
      guard let closed = Self.closed(path, user, name, look) else { return nil }
      self = closed
    case .notDirectory:
      guard let file = PathSafety.ancestors(path).first(where: { (try? look($0))?.kind == .file })
      else {
        return nil
      }
      self.init(
        "\(file) is no directory, so there can be no \(path)", "Move it away, or take another path")
    case .tooManyLinks:
      self.init(
        "\(path) cannot be reached: a symbolic link on the way leads back to itself",
        "See which:  namei -l \(ShellWord.quoted(path))")
    case .readOnlyFileSystem:
      self.init(
        "\(path) cannot be written: its file system is mounted read-only",
        "Take a Lima home on another one:  --lima-home DIR")
    case .noSpace, .quotaExceeded:
      let folder = ShellWord.quoted(Self.folder(of: path))
      self.init(
        "\(path) cannot be written: "
          + (error.errno == .noSpace
            ? "the disk is full" : "the quota of \(name(user)) is used up"),
        "See what is left:  df -h \(folder)")
    default: return nil
    }
  }

  /// A limit of the process or the system is reached, whatever the file.
  private static func usedUp(_ error: SystemError) -> FileTrouble? {
    let what = error.call == "posix_spawn" ? error.subject.map { ": \($0) cannot be started" } : nil
    switch error.errno {
    case Errno(EMFILE):
      return FileTrouble(
        "this process has no file descriptor left\(what ?? "")",
        "Allow more:  ulimit -n 65536  (or `ulimit -Hn`, which says how many there may be)")
    case Errno(ENFILE):
      return FileTrouble(
        "this system has no file descriptor left\(what ?? "")",
        "Allow more:  sudo sysctl -w fs.file-max=1000000")
    case .wouldBlock where what != nil:
      return FileTrouble(
        "no more processes are allowed\(what ?? "")",
        "See how many there may be:  ulimit -u  and  cat /sys/fs/cgroup/$(cut -d: -f3 /proc/self/cgroup)/pids.max"
      )
    default: return nil
    }
  }

  private init(_ message: String, _ remedy: String?) {
    self.message = message
    self.remedy = remedy
  }

  /// The node on the path that this user may not use: the first directory without access, else the file itself, else the
  /// directory in which it was to be created.
  private static func closed(
    _ path: String, _ user: UInt32, _ name: (UInt32) -> String, _ look: PathSafety.Look
  ) -> FileTrouble? {
    let folders = PathSafety.ancestors(path).filter { $0 != path }
    for folder in folders {
      // A directory without search permission hides everything below it, and is itself visible.
      guard let status = try? look(folder), status.uid != user, status.kind == .directory,
        (try? look(path)) == nil, status.mode & 0o011 == 0
      else { continue }
      return FileTrouble(
        "\(path) is out of reach: \(folder) is closed to \(name(user)), by \(name(status.uid))",
        "See who may enter:  namei -l \(ShellWord.quoted(path))")
    }
    let file = try? look(path)
    guard let last = (file == nil ? folders.last { (try? look($0)) != nil } : path),
      let status = file ?? (try? look(last))
    else { return nil }
    let quoted = ShellWord.quoted(last)
    guard status.uid != user else {
      return FileTrouble(
        "\(last) is closed to \(name(user)), whose it is: its mode is \(octal(status.mode))",
        "Open it:  chmod u+rw\(status.kind == .directory ? "x" : "") \(quoted)")
    }
    return FileTrouble(
      ForeignOwner(status.uid, user: user).sentence(last, name: name),
      "Have it be yours:  sudo chown \(status.kind == .directory ? "-R " : "")"
        + "\(name(user)): \(quoted)")
  }

  private static func octal(_ mode: UInt32) -> String {
    let digits = String(mode & 0o7777, radix: 8)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }

  private static func folder(of path: String) -> String {
    let parts = PathSafety.ancestors(path)
    return parts.count > 1 ? parts[parts.count - 2] : "/"
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// OtherDaemons: lima-netd processes on this host that serve other homes, and the interfaces each holds: to name the process
// that has the subnet or interface of a network. There is no registry: a daemon has its home's pid file open, and a TAP's
// descriptor shows its interface (/proc/PID/fdinfo, "iff:"). Processes that may not be inspected are not found. Blocks on
// /proc.

import Platform

package struct OtherDaemon: Sendable, Hashable {
  package var pid: Int32
  package var home: String
  /// Present names; empty for a daemon in another network namespace, where names refer to other interfaces.
  package var interfaces: Set<String>

  package init(pid: Int32, home: String, interfaces: Set<String>) {
    self.pid = pid
    self.home = home
    self.interfaces = interfaces
  }

  /// It belongs to a single `exec` or `tap`, which started it and will stop it.
  package var isPrivate: Bool { home.split(separator: "/").last?.hasPrefix("lima-netd-") ?? false }

  /// The command that makes it release a network's interface.
  /// - Parameter command: this program, quoted for a shell.
  package func stop(_ network: String, _ command: String) -> String {
    "\(command) network stop \(network) --lima-home \(ShellWord.quoted(home))"
  }

  /// "the lima-netd of /home/alice/.lima2 (process 77)"
  package var words: String { "the lima-netd of \(home) (process \(pid))" }
}

package enum OtherDaemons {
  private static let program = "lima-netd"
  private static let pidFile = "/_networks/lima-netd.pid"
  private static let tun = "/dev/net/tun"
  /// Maximum number of processes and descriptors inspected, and of processes inspected in one loop iteration.
  private static let most = 16384
  private static let perTurn = 100

  /// All but those of `home`.
  /// - Parameter proc: location of the kernel's files, for tests.
  package static func find(otherThan home: String, proc: String = "/proc") -> [OtherDaemon] {
    processes(proc).compactMap { look(at: $0, proc) }.filter { $0.home != home }
  }

  /// Finds the process that holds an interface without blocking the loop.
  static func holder(
    of interface: String, otherThan home: String, on loop: EventLoop, proc: String = "/proc"
  ) async -> OtherDaemon? {
    var left = processes(proc)[...]
    while !left.isEmpty {
      let turn = Promise<Void, Never>()
      loop.schedule(after: 0) { turn.keep() }
      await turn.value()
      for pid in left.prefix(perTurn) {
        guard let found = look(at: pid, proc), found.home != home,
          found.interfaces.contains(interface)
        else { continue }
        return found
      }
      left = left.dropFirst(perTurn)
    }
    return nil
  }

  /// A command that lists the processes with the interface open, of any user.
  package static func asking(who interface: String) -> String {
    "sudo grep -ls 'iff:.*\(interface)$' /proc/[0-9]*/fdinfo/* | cut -d/ -f3 | xargs -r ps -o pid,user,args -p"
  }

  private static func processes(_ proc: String) -> [Int32] {
    ((try? Files.list(proc)) ?? []).lazy.compactMap { Int32($0) }.prefix(most).sorted()
  }

  private static func look(at pid: Int32, _ proc: String) -> OtherDaemon? {
    guard text("\(proc)/\(pid)/comm") == program else { return nil }
    var home: String?
    var interfaces: Set<String> = []
    let isElsewhere = isInAnotherNamespace(pid, proc)
    for number in ((try? Files.list("\(proc)/\(pid)/fd")) ?? []).prefix(most) {
      guard let target = try? Files.linkTarget("\(proc)/\(pid)/fd/\(number)") else { continue }
      if target.hasSuffix(pidFile) { home = String(target.dropLast(pidFile.count)) }
      guard !isElsewhere, target == tun, let info = text("\(proc)/\(pid)/fdinfo/\(number)") else {
        continue
      }
      for line in info.split(separator: "\n") where line.hasPrefix("iff:") {
        interfaces.insert(String(line.dropFirst(4).drop { $0.isWhitespace }))
      }
    }
    return home.map { OtherDaemon(pid: pid, home: $0, interfaces: interfaces) }
  }

  /// Whether the process is in another network namespace than the caller. False if unknown.
  private static func isInAnotherNamespace(_ pid: Int32, _ proc: String) -> Bool {
    guard let own = try? Files.linkTarget("\(proc)/self/ns/net"),
      let theirs = try? Files.linkTarget("\(proc)/\(pid)/ns/net")
    else { return false }
    return own != theirs
  }

  private static func text(_ path: String) -> String? {
    guard let bytes = try? Files.read(path, limit: 4096) else { return nil }
    var text = Substring(String(decoding: bytes, as: UTF8.self))
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }
}

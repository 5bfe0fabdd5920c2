// SPDX-License-Identifier: Apache-2.0
//
// What root may run and write: each rule by a table over a file system that is only written down, then real files.

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct PathSafetyTests {
  /// "/opt/vm/bin/p" and the way there, all root's, changed by `change`.
  private static func look(
    _ change: [String: PathStatus?] = [:]
  ) -> PathSafety.Look {
    var nodes: [String: PathStatus] = [
      "/": PathStatus(kind: .directory, mode: 0o755),
      "/opt": PathStatus(kind: .directory, mode: 0o755),
      "/opt/vm": PathStatus(kind: .directory, mode: 0o755),
      "/opt/vm/bin": PathStatus(kind: .directory, mode: 0o755),
      "/opt/vm/bin/p": PathStatus(kind: .file, mode: 0o755),
    ]
    for (path, status) in change { nodes[path] = status }
    let all = nodes
    return { (path) throws(SystemError) in
      guard let status = all[path] else { throw SystemError("lstat", .noSuchFile, subject: path) }
      return status
    }
  }

  private static let file = "/opt/vm/bin/p"

  struct Rule: Sendable, CustomTestStringConvertible {
    var change: [String: PathStatus?] = [:]
    var policy = PathPolicy()
    var path = PathSafetyTests.file
    /// nil: safe.
    var text: String?
    var testDescription: String { "\(text ?? "safe") \(path)" }
  }

  static func directory(_ mode: UInt32, uid: UInt32 = 0, gid: UInt32 = 0) -> PathStatus {
    PathStatus(kind: .directory, mode: mode, uid: uid, gid: gid)
  }

  static let rules: [Rule] = [
    Rule(text: nil),
    Rule(path: "", text: nil),
    Rule(path: "/", text: nil),
    Rule(path: "opt/p", text: "path `opt/p` is not an absolute path"),
    Rule(path: "/opt/a b", text: "path `/opt/a b` contains whitespace"),
    Rule(path: "/opt/a\tb", text: "path `/opt/a\tb` contains whitespace"),
    Rule(path: "/opt/a\u{1b}b", text: "path `/opt/a\u{1b}b` contains whitespace"),
    Rule(path: "/opt/../opt/p", text: "invalid component `..` in path `/opt/../opt/p`"),
    Rule(path: "/opt/./p", text: "invalid component `.` in path `/opt/./p`"),
    Rule(path: "/opt/q", text: "`/opt/q` does not exist"),
    Rule(path: "/nowhere/q", text: "`/nowhere` does not exist"),
    Rule(
      change: [file: PathStatus(kind: .symbolicLink, mode: 0o777)],
      text: "file `/opt/vm/bin/p` is a symlink"),
    Rule(
      change: ["/opt": PathStatus(kind: .symbolicLink, mode: 0o777)],
      text: "file `/opt` is a symlink"),
    Rule(
      change: [file: PathStatus(kind: .file, mode: 0o755, uid: 1000)],
      text: "file `/opt/vm/bin/p` is not owned by `root` (uid: 0), but by uid 1000"),
    Rule(
      change: ["/opt/vm": directory(0o755, uid: 501)],
      text: "dir `/opt/vm` is not owned by `root` (uid: 0), but by uid 501"),
    Rule(
      change: ["/": directory(0o755, uid: 7)],
      text: "dir `/` is not owned by `root` (uid: 0), but by uid 7"),
    Rule(change: ["/opt": directory(0o775)], text: nil),
    Rule(
      change: ["/opt": directory(0o775, gid: 80)],
      text: "dir `/opt` is group-writable and group is not `root` (gid: 0), but is gid: 80"),
    Rule(change: ["/opt": directory(0o755, gid: 80)], text: nil),
    Rule(change: ["/opt": directory(0o757)], text: "dir `/opt` is world-writable"),
    Rule(
      change: [file: PathStatus(kind: .file, mode: 0o757)],
      text: "file `/opt/vm/bin/p` is world-writable"),
    Rule(
      change: ["/opt": directory(0o1777), "/opt/vm/bin": directory(0o757)],
      text: "dir `/opt/vm/bin` is world-writable"),
    // Lima's rule knows no sticky directories; ours does, where what lies in it is root's.
    Rule(change: ["/opt": directory(0o1777)], text: "dir `/opt` is world-writable"),
    Rule(
      change: ["/opt": directory(0o1777)], policy: PathPolicy(allowsSticky: true), text: nil),
    Rule(
      change: ["/opt": directory(0o1777), "/opt/vm": directory(0o755, uid: 9)],
      policy: PathPolicy(allowsSticky: true),
      text: "dir `/opt/vm` is not owned by `root` (uid: 0), but by uid 9"),
    Rule(
      change: ["/opt/vm/bin/p": PathStatus(kind: .file, mode: 0o1777)],
      policy: PathPolicy(allowsSticky: true), text: "file `/opt/vm/bin/p` is world-writable"),
    Rule(
      change: ["/opt": directory(0o1777, uid: 9)], policy: PathPolicy(allowsSticky: true),
      text: "dir `/opt` is not owned by `root` (uid: 0), but by uid 9"),
    // A user namespace.
    Rule(
      change: ["/": directory(0o755, uid: 65534)], policy: PathPolicy(unmappedUser: 65534),
      text: nil),
    Rule(
      change: ["/opt": directory(0o755, uid: 1)], policy: PathPolicy(unmappedUser: 65534),
      text: "dir `/opt` is not owned by `root` (uid: 0), but by uid 1"),
    // paths.varRun
    Rule(
      change: ["/opt": directory(0o775, gid: 1)], policy: PathPolicy(daemonGroup: 1), text: nil),
    Rule(
      change: ["/opt": directory(0o775, gid: 20)], policy: PathPolicy(daemonGroup: 1),
      text:
        "dir `/opt` is group-writable and group is neither `root` (gid: 0) nor `daemon` (gid: 1), but is gid: 20"
    ),
    Rule(
      change: ["/opt": directory(0o750)], policy: PathPolicy(daemonGroup: 1),
      text: "dir `/opt` is not executable by the `daemon` (gid: 1) group"),
    Rule(
      change: ["/opt": directory(0o750, gid: 1)], policy: PathPolicy(daemonGroup: 1), text: nil),
    Rule(
      change: ["/opt": directory(0o740, gid: 1)], policy: PathPolicy(daemonGroup: 1),
      text: "dir `/opt` is not executable by the `daemon` (gid: 1) group"),
    Rule(
      policy: PathPolicy(wantsIdentifiers: true), path: "/opt/vm/-x",
      text: "invalid component `-x` in path `/opt/vm/-x`"),
    Rule(
      policy: PathPolicy(wantsIdentifiers: true), path: "/opt/.vm",
      text: "invalid component `.vm` in path `/opt/.vm`"),
  ]

  @Test(arguments: rules)
  func `each rule has its own words`(rule: Rule) {
    let safety = PathSafety(rule.policy, look: Self.look(rule.change))
    #expect(safety.flaw(of: rule.path)?.description == rule.text)
  }

  @Test func `a directory is found safe before anything in it is looked at`() {
    let order = Seen()
    let look = Self.look()
    let safety = PathSafety(look: { (path) throws(SystemError) in
      order.paths.append(path)
      return try look(path)
    })
    #expect(safety.flaw(of: Self.file) == nil)
    #expect(order.paths == ["/", "/opt", "/opt/vm", "/opt/vm/bin", "/opt/vm/bin/p"])
  }

  private final class Seen { var paths: [String] = [] }

  @Test func `what root is going to make is judged by what is there of it`() {
    let safety = PathSafety(PathPolicy(daemonGroup: 1), look: Self.look())
    #expect(safety.flawOfExisting("/opt/vm/run/lima") == nil)
    #expect(safety.flawOfExisting("/elsewhere/run") == nil)
    let open = PathSafety(
      PathPolicy(daemonGroup: 1), look: Self.look(["/opt/vm": Self.directory(0o777)]))
    #expect(
      open.flawOfExisting("/opt/vm/run/lima")?.description == "dir `/opt/vm` is world-writable")
  }

  @Test func `what is to be run is a program`() {
    let safety = PathSafety(look: Self.look([Self.file: PathStatus(kind: .file, mode: 0o644)]))
    #expect(safety.flaw(ofProgram: Self.file)?.remedy == "sudo chmod 755 /opt/vm/bin/p")
    #expect(PathSafety(look: Self.look()).flaw(ofProgram: "/opt/vm") != nil)
    #expect(PathSafety(look: Self.look()).flaw(ofProgram: "") != nil)
    #expect(PathSafety(look: Self.look()).flaw(ofProgram: Self.file) == nil)
  }

  @Test(arguments: [
    ("0 0 4294967295\n", nil as UInt32?), ("0 1000 1\n", 65534), ("1000 1000 1\n", 65534),
    ("", nil),
  ])
  func `who has no number in a user namespace is not another user of it`(
    map: String, uid: UInt32?
  ) {
    #expect(HelperSafety.unmappedUser(map: map, overflow: "65534\n") == uid)
  }

  // MARK: networks.yaml

  private func network(_ name: String, _ mode: String, interface: String? = nil)
    -> NetworkConfiguration
  {
    NetworkConfiguration(
      name: name, builtin: false, settings: .init(mode: mode, interface: interface), marks: [:])
  }

  @Test func `names of groups, networks, modes and interfaces are identifiers`() {
    let paths = NetworksPaths(group: "admin")
    #expect(paths.flaw(ofNames: [network("a", "bridged", interface: "en0")]) == nil)
    #expect(NetworksPaths(group: "a b").flaw(ofNames: []) == "invalid group `a b`")
    #expect(
      paths.flaw(ofNames: [network("a,b", "host")]) == "invalid network name `a,b`")
    #expect(
      paths.flaw(ofNames: [network("a", "ho st")]) == "invalid mode `ho st` for network `a`")
    #expect(
      paths.flaw(ofNames: [network("a", "bridged", interface: "en0 x")])
        == "invalid interface `en0 x` for network `a`")
  }

  @Test func `paths are told by their fields, in Lima's words`() {
    let fine = NetworksPaths(
      socketVMNet: Self.file, varRun: "/opt/vm/run", sudoers: "/opt/vm/sudoers", group: "admin")
    #expect(fine.flaw(daemonGroup: 1, look: Self.look()) == nil)
    var other = fine
    other.socketVMNet = "/opt/none"
    #expect(
      other.flaw(daemonGroup: 1, look: Self.look())
        == "networks.yaml: `/opt/none` (`paths.socketVMNet`) has to be installed")
    other.varRun = "/opt/.x"
    #expect(
      other.flaw(daemonGroup: 1, look: Self.look())
        == "networks.yaml field `paths.varRun` error: invalid component `.x` in path `/opt/.x`")
    other.socketVMNet = "relative"
    #expect(
      other.flaw(daemonGroup: 1, look: Self.look())
        == "networks.yaml field `paths.socketVMNet` error: path `relative` is not an absolute path")
    other = fine
    other.sudoers = Self.file
    #expect(
      other.flaw(
        daemonGroup: 1, look: Self.look([Self.file: PathStatus(kind: .file, mode: 0o646)]))?
        .hasSuffix("is world-writable") == true)
  }

  // MARK: Real files

  @Test func `real files of root's, and what others could change`() throws {
    guard CurrentProcess.isRoot else { return }
    let folder = "/tmp/lnps\(UInt32.random(in: .min ... .max))"
    let manager = FileManager.default
    try manager.createDirectory(
      atPath: folder + "/bin", withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o755])
    defer { try? manager.removeItem(atPath: folder) }
    let program = folder + "/bin/p"
    try Files.makeDirectory(folder + "/bin", mode: 0o755)
    _ = manager.createFile(
      atPath: program, contents: Data(), attributes: [.posixPermissions: 0o755])
    let safety = PathSafety(HelperSafety.policy)
    #expect(safety.flaw(ofProgram: program) == nil)
    #expect(PathSafety().flaw(of: program)?.description == "dir `/tmp` is world-writable")
    #expect(chmod(program, 0o777) == 0)
    #expect(safety.flaw(of: program)?.description == "file `\(program)` is world-writable")
    #expect(chmod(program, 0o755) == 0 && chown(folder + "/bin", 65534, 0) == 0)
    #expect(safety.flaw(of: program)?.description.contains("but by uid 65534") == true)
    #expect(chown(folder + "/bin", 0, 0) == 0)
    try manager.createSymbolicLink(atPath: folder + "/link", withDestinationPath: folder + "/bin")
    #expect(
      safety.flaw(of: folder + "/link/p")?.description == "file `\(folder)/link` is a symlink")
    #expect(safety.flaw(ofProgram: folder + "/bin")?.description.contains("not a program") == true)
  }
}

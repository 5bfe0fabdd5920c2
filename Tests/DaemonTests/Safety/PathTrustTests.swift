// SPDX-License-Identifier: Apache-2.0

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite("What root trusts by way of links", .serialized, .timeLimit(.minutes(1)))
struct PathTrustTests {
  /// A made-up file system: /opt/p/x.so and what differs from root's own, 0755.
  struct Tree {
    var nodes: [String: PathStatus] = [:]
    var links: [String: String] = [:]
    var unmapped: UInt32?

    var trust: PathTrust {
      PathTrust(
        PathPolicy(allowsSticky: true, unmappedUser: unmapped),
        look: { (path) throws(SystemError) in
          if let node = nodes[path] { return node }
          if links[path] != nil { return PathStatus(kind: .symbolicLink, mode: 0o777) }
          if path.hasSuffix("missing") {
            throw SystemError("lstat", .noSuchFile, subject: path)
          }
          return PathStatus(kind: path.hasSuffix(".so") ? .file : .directory, mode: 0o755)
        },
        follow: { (path) throws(SystemError) in links[path] ?? "" })
    }

    func flaw(_ path: String = "/opt/p/x.so") -> String? {
      trust.flaw(of: path).map { "\($0)" }
    }
  }

  static func directory(_ mode: UInt32 = 0o755, uid: UInt32 = 0, gid: UInt32 = 0) -> PathStatus {
    PathStatus(kind: .directory, mode: mode, uid: uid, gid: gid)
  }

  static func file(_ mode: UInt32 = 0o755, uid: UInt32 = 0, gid: UInt32 = 0) -> PathStatus {
    PathStatus(kind: .file, mode: mode, uid: uid, gid: gid)
  }

  @Test(
    arguments: [
      (Tree(), nil),
      (
        Tree(nodes: ["/opt/p/x.so": file(uid: 1000)]),
        "file `/opt/p/x.so` is not owned by `root` (uid: 0), but by uid 1000"
      ),
      (Tree(nodes: ["/opt/p/x.so": file(0o666)]), "file `/opt/p/x.so` is world-writable"),
      (
        Tree(nodes: ["/opt": directory(uid: 1000)]),
        "dir `/opt` is not owned by `root` (uid: 0), but by uid 1000"
      ),
      (Tree(nodes: ["/opt/p": directory(0o777)]), "dir `/opt/p` is world-writable"),
      (
        Tree(nodes: ["/opt/p": directory(0o775, gid: 50)]),
        "dir `/opt/p` is group-writable and group is not `root` (gid: 0), but is gid: 50"
      ),
      (Tree(nodes: ["/opt/p": directory(0o775)]), nil),
      // A link is the entry of its directory, and where it leads counts as much.
      (Tree(links: ["/opt/p": "/srv/q"]), nil),
      (
        Tree(nodes: ["/srv": directory(uid: 7)], links: ["/opt/p": "/srv/q"]),
        "dir `/srv` is not owned by `root` (uid: 0), but by uid 7"
      ),
      (
        Tree(nodes: ["/opt": directory(0o777)], links: ["/opt/p": "/srv/q"]),
        "dir `/opt` is world-writable"
      ),
      (
        Tree(
          nodes: ["/home/u": directory(uid: 1000)],
          links: ["/opt/p/x.so": "../q/y.so", "/opt/q": "/home/u/q"]),
        "dir `/home/u` is not owned by `root` (uid: 0), but by uid 1000"
      ),
      (Tree(links: ["/opt/p/x.so": "y.so", "/opt/p/y.so": "./../p/z.so"]), nil),
      (
        Tree(
          nodes: ["/opt/p": PathStatus(kind: .symbolicLink, mode: 0o777, uid: 1000)],
          links: ["/opt/p": "/srv/q"]),
        "file `/opt/p` is not owned by `root` (uid: 0), but by uid 1000"
      ),
      // In a user namespace that has one user, the system's files are of somebody without a number.
      (
        Tree(nodes: ["/": directory(uid: 65534), "/opt": directory(uid: 65534)], unmapped: 65534),
        nil
      ),
      (
        Tree(nodes: ["/opt": directory(uid: 65534)]),
        "dir `/opt` is not owned by `root` (uid: 0), but by uid 65534"
      ),
    ] as [(Tree, String?)])
  func `each step of each hop is root's, and nobody else may write it`(
    tree: Tree, flaw: String?
  ) {
    #expect(tree.flaw() == flaw)
  }

  @Test func `a sticky directory is trusted for what is root's in it`() {
    let open = ["/tmp": Self.directory(0o1777)]
    #expect(Tree(nodes: open).flaw("/tmp/p/x.so") == nil)
    #expect(
      Tree(nodes: open.merging(["/tmp/p": Self.directory(uid: 7)]) { $1 }).flaw("/tmp/p/x.so")
        == "dir `/tmp` is world-writable")
    #expect(Tree(nodes: open).flaw("/tmp") == "dir `/tmp` is world-writable")
  }

  @Test func `links that lead in a circle end`() {
    let tree = Tree(links: ["/opt/p": "/opt/q", "/opt/q": "/opt/p"])
    #expect(tree.flaw()?.hasPrefix("`/opt/p/x.so` cannot be looked at: ") == true)
  }

  @Test func `what is not there yet is judged by what is`() {
    #expect(Tree().trust.flaw(of: "/opt/missing/a")?.isMissing == true)
    #expect(Tree().trust.flawOfExisting("/opt/missing/missing") == nil)
    // Root will make it, and nobody else can take it away again.
    let open = Tree(nodes: ["/tmp": Self.directory(0o1777)])
    #expect(open.trust.flawOfExisting("/tmp/missing/missing") == nil)
    #expect(
      Tree(nodes: ["/srv": Self.directory(0o777)]).trust.flawOfExisting("/srv/missing") != nil)
    let foreign = Tree(nodes: ["/opt": Self.directory(uid: 9)])
    #expect(foreign.trust.flawOfExisting("/opt/missing")?.isMissing == false)
  }

  @Test func `a plugin's refusal names the command that mends it`() {
    let tree = Tree(nodes: ["/opt/p": Self.directory(0o777)])
    #expect(
      PluginPermissions.refusal("/opt/p/x.so", trust: tree.trust)
        == "root loads no plugin that somebody else can exchange: dir `/opt/p` is world-writable; "
        + "sudo chmod o-w /opt/p")
    // What is not there is not loaded.
    #expect(PluginPermissions.refusal("/opt/p/missing", trust: tree.trust) == nil)
  }
}

@Suite("Whose Lima home a daemon serves", .serialized, .timeLimit(.minutes(1)))
struct HomeTrustTests {
  func problem(user: UInt32, owner: UInt32, networks: UInt32? = nil, of tree: PathTrustTests.Tree)
    -> String?
  {
    let home = LimaHome(path: "/home/u/.lima")
    return HomeTrust(
      user: user, trust: tree.trust,
      look: { (path) throws(SystemError) in
        PathStatus(
          kind: .directory, mode: 0o755, uid: path == home.path ? owner : networks ?? owner)
      }, list: { _ in [] }, name: { $0 == 0 ? "root" : "u\($0)" }
    ).problem(home: home)
  }

  @Test func `a home belongs to who serves it`() {
    #expect(problem(user: 1000, owner: 1000, of: .init()) == nil)
    #expect(problem(user: 0, owner: 0, of: .init()) == nil)
    #expect(
      problem(user: 0, owner: 1000, of: .init())
        == "/home/u/.lima belongs to u1000, and you are root: run lima-netd as its owner, "
        + "or give another home with --lima-home")
    #expect(problem(user: 1000, owner: 0, of: .init())?.contains("you are u1000") == true)
    #expect(
      problem(user: 1000, owner: 1000, networks: 7, of: .init())?
        .hasPrefix("/home/u/.lima/_networks belongs to u7") == true)
    #expect(
      problem(user: 1000, owner: 1000, networks: 0, of: .init())?
        .hasSuffix("sudo chown -R u1000: /home/u/.lima/_networks") == true)
  }

  @Test func `every file that the daemon writes is its user's`() {
    let home = LimaHome(path: "/home/u/.lima")
    let problem = HomeTrust(
      user: 1000,
      look: { (path) throws(SystemError) in
        PathStatus(kind: .directory, mode: 0o755, uid: path.hasSuffix("netd.pid") ? 0 : 1000)
      }, list: { $0 == home.networksDirectory ? ["default", "lima-netd.pid"] : [] },
      name: { $0 == 0 ? "root" : "u\($0)" }
    ).problem(home: home)
    #expect(
      problem
        == "/home/u/.lima/_networks/lima-netd.pid belongs to root, and you are u1000: probably "
        + "since a `sudo lima-netd`. Have it be yours:  sudo chown -R u1000: /home/u/.lima/_networks"
    )
  }

  @Test(arguments: [
    "/home/u", "/home/u/.lima", "/home/u/.lima/_networks", "/home/u/.lima/_config",
  ])
  func `where a file is in the way there is no home`(file: String) {
    let look: PathSafety.Look = { (path) throws(SystemError) in
      guard file.hasPrefix(path) || path == file else {
        throw SystemError("stat", .noSuchFile, subject: path)
      }
      return PathStatus(kind: path == file ? .file : .directory, mode: 0o755, uid: 0)
    }
    let home = LimaHome(path: "/home/u/.lima")
    #expect(HomeTrust.obstacle(home, look: look)?.hasPrefix("\(file) is no directory") == true)
    #expect(
      HomeTrust(user: 1000, look: look).problem(home: home)?.hasPrefix("\(file) is no directory")
        == true)
  }

  @Test func `root's home and configuration are where nobody else can exchange them`() {
    let tree = PathTrustTests.Tree(nodes: ["/home/u": PathTrustTests.directory(uid: 1000)])
    #expect(
      problem(user: 0, owner: 0, of: tree)?
        .hasPrefix("root serves no Lima home that somebody else can change: dir `/home/u`") == true)
    #expect(problem(user: 1000, owner: 1000, of: tree) == nil)
    let trust = HomeTrust(user: 0, trust: tree.trust)
    #expect(
      trust.problem(configuration: "/home/u/networks.yaml")?
        .hasPrefix("root takes no configuration") == true)
    #expect(trust.problem(configuration: "/etc/lima/missing") == nil)
  }

  @Test func `the daemon closes its folder to others, and takes no link for it`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "lnd-\(UInt64.random(in: 0 ... .max))"
    ).path
    try Files.makeDirectory(folder, mode: 0o755)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/_networks"
    try Files.makeDirectory(path, mode: 0o777)
    try Files.makePrivateDirectory(path)
    #expect(try Files.info(path).mode & 0o777 == 0o700)
    try Files.makePrivateDirectory(folder + "/other")
    #expect(try Files.info(folder + "/other").mode & 0o777 == 0o700)
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/link", withDestinationPath: path)
    #expect(throws: SystemError.self) { () throws in
      try Files.makePrivateDirectory(folder + "/link")
    }
  }
}

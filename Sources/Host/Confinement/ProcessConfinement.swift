// SPDX-License-Identifier: Apache-2.0
//
// ProcessConfinement: what the network process gives up, in three steps: privileges at its start; access to files
// other than those needed, before it loads a plugin, while it has one thread; system calls after the plugins have
// started, because starting may need some of them. A restriction that the kernel does not support is reported in the
// status and the log, and the network runs without it. Docs: docs/security.md.

import HostProtocol
import LibC
import Platform

package struct ProcessConfinement {
  private(set) var status = ConfinementStatus()
  /// In a strict sandbox: what becomes of the files. Entered once the plugins are loaded.
  #if os(Linux)
    private var root: EmptyRoot?
  #endif
  /// A sandbox of which nothing may be missing.
  private(set) var isStrict = false
  /// The files that stay accessible; nil before `boundFiles`.
  private var files: ConfinementSpec?

  package init() {}

  /// Before the first step, of a process in namespaces of its own: puts the root together that `enterRoot` makes the
  /// process's.
  mutating func isolate(folder: String, state: String) throws(SystemError) {
    #if os(Linux)
      root = try EmptyRoot(folder: folder, state: state)
      isStrict = true
      status.sandbox = "strict"
    #else
      throw SystemError("clone", Errno(ENOTSUP), subject: folder)
    #endif
  }

  /// Between the second and the third step, when all plugins are loaded: files other than those of the empty root are gone.
  mutating func enterRoot() throws(SystemError) {
    #if os(Linux)
      try root?.enter()
      root = nil
    #endif
  }

  /// Before the first step, of a process of root's: it becomes `user` for good.
  mutating func become(_ user: ProcessUser) throws(SystemError) {
    #if os(Linux)
      try Confinement.become(user)
      status.user = user.name
    #else
      throw SystemError("setresuid", Errno(ENOTSUP), subject: user.name)
    #endif
  }

  /// The first step; also taken when the process is not confined later.
  /// - Parameter capabilities: those that plugins declare; the one for ports below 1024 is kept besides. Nil: none is.
  mutating func begin(keeping capabilities: Set<Capability>?) {
    #if os(Linux)
      note { () throws(SystemError) in try Confinement.giveUpPrivileges() }
      note { () throws(SystemError) in
        try Confinement.keep(capabilities?.union([.netBindService]) ?? [])
      }
      status.capabilities = Confinement.capabilities.map {
        Capability(rawValue: $0)?.name ?? "\($0)"
      }
    #endif
  }

  /// The second step, before a plugin is loaded: from now on only the system's files and those of `spec` can be
  /// opened.
  mutating func boundFiles(_ spec: ConfinementSpec) {
    #if os(Linux)
      files = spec
      guard let version = FileRules.version else {
        return miss(
          "this kernel has no Landlock (5.13 and later, with lsm=landlock): files are not bounded")
      }
      let root = root
      let enforced = note { () throws(SystemError) in
        let rules = try FileRules()
        for path in ReadableFolders.all + spec.readable { try rules.allow(path) }
        for path in ["/dev/null", "/dev/zero", "/dev/tty"] + spec.writable {
          try rules.allow(path, writing: true)
        }
        if let root {
          try rules.allow(root.readable)
          try rules.allow(root.writable, writing: true)
        }
        try rules.enforce()
      }
      if enforced { status.landlock = Int(version) }
    #endif
  }

  /// The first of `paths` outside the readable ones, if files are confined.
  func firstOutOfReach(of paths: [String]) -> String? {
    guard status.landlock > 0, let files else { return nil }
    let folders = files.readable + files.writable
    return paths.first { path in
      !folders.contains { path == $0 || path.hasPrefix($0.hasSuffix("/") ? $0 : $0 + "/") }
    }
  }

  /// "no capabilities, files by Landlock 7, system calls refused"
  var description: String {
    let kept =
      status.capabilities.isEmpty
      ? "no capabilities" : "capabilities " + status.capabilities.joined(separator: " ")
    let bounded =
      status.landlock > 0 ? "files bounded (Landlock \(status.landlock))" : "files not bounded"
    let user = status.user.map { ["as user \($0)"] } ?? []
    return
      ((isStrict ? ["strictly"] : []) + user + [
        kept, bounded, "system calls " + (status.systemCalls ? "bounded" : "not bounded"),
      ])
      .joined(separator: ", ")
  }

  /// The third step, after the plugins have started.
  mutating func boundSystemCalls() {
    #if os(Linux)
      let isStrict = isStrict
      status.systemCalls = note { () throws(SystemError) in
        if isStrict {
          try Confinement.allowNeededCalls()
        } else {
          try Confinement.refuseSystemCalls()
        }
      }
    #endif
  }

  mutating func miss(_ sentence: String) { status.missing.append(sentence) }

  /// Whether it succeeded.
  @discardableResult
  private mutating func note(_ step: () throws(SystemError) -> Void) -> Bool {
    do throws(SystemError) {
      try step()
      return true
    } catch {
      miss(error.description)
      return false
    }
  }
}

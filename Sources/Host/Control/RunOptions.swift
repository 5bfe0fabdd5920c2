// SPDX-License-Identifier: Apache-2.0
//
// RunOptions: the words of `lima-netd-host run`, which the supervisor writes.

import LibC
import Platform

struct RunOptions {
  /// Of the channel to the supervisor.
  var control: Int32
  /// Of the page that the loop writes into.
  var heartbeat: Int32?
  /// That plugins declare.
  var capabilities: Set<Capability> = []
  /// Who this process is to become.
  var user: ProcessUser?
  /// Of the state folder, by which it is reached where its path leads through folders of the supervisor's alone.
  var state: Int32?
  /// Of a strict sandbox: the folder that its root is made in, and the state folder.
  var root: String?
  var stateFolder: String?
  /// It is root of a user namespace of its own, and has no privilege elsewhere.
  var isInUserNamespace = false

  /// Nil: these are not its words.
  init?(_ words: [String]) {
    var rest = words[...]
    control = -1
    while let key = rest.popFirst() {
      guard let value = rest.popFirst() else { return nil }
      switch key {
      case "--control-fd":
        guard let fd = Self.descriptor(value) else { return nil }
        control = fd
      case "--heartbeat-fd":
        guard let fd = Self.descriptor(value) else { return nil }
        heartbeat = fd
      case "--state-fd":
        guard let fd = Self.descriptor(value) else { return nil }
        state = fd
      case "--capabilities":
        let known = value.split(separator: ",").map { Capability(name: String($0)) }
        if known.contains(nil) { return nil }
        capabilities = Set(known.compactMap { $0 })
      case "--root": root = value
      case "--state": stateFolder = value
      case "--user-namespace": isInUserNamespace = value == "yes"
      case "--user":
        guard let known = Self.user(value) else { return nil }
        user = known
      default: return nil
      }
    }
    let given = [control, heartbeat, state].compactMap { $0 }
    guard control > 2, Set(given).count == given.count else { return nil }
  }

  private static func descriptor(_ text: String) -> Int32? {
    Int32(text).flatMap { $0 > 2 ? $0 : nil }
  }

  /// UID:GID:NAME
  private static func user(_ text: String) -> ProcessUser? {
    let parts = text.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, let uid = UInt32(parts[0]), let gid = UInt32(parts[1]), uid != 0 else {
      return nil
    }
    return ProcessUser(name: String(parts[2]), uid: uid, gid: gid)
  }
}

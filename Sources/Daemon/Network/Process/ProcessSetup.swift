// SPDX-License-Identifier: Apache-2.0
//
// ProcessSetup: how a network's process begins: as whom, and with which of root's capabilities.

import Platform

struct ProcessSetup {
  /// Of root's, that plugins declare: "net_admin,net_raw".
  var capabilities: String?
  /// The user it runs as; nil: the daemon's.
  var user: ProcessUser?
  /// The state folder's descriptor, for a process that runs as another user; the caller closes it.
  var state: Int32?
  /// `sandbox: strict`: the folder that its root is made in, and the state folder.
  var sandbox: (folder: String, state: String)?
  /// What such a process has of the resolver's files, as long as this is there.
  var resolver: ResolverCopies?

  /// The descriptors that the process has by now.
  func close() { if let state { Descriptor.close(state) } }

  /// What follows `run` and the descriptors that each process has.
  var arguments: [String] {
    var words: [String] = []
    if let capabilities { words += ["--capabilities", capabilities] }
    if let user { words += ["--user", "\(user.uid):\(user.gid):\(user.name)"] }
    if state != nil { words += ["--state-fd", "\(StateFolder.descriptor)"] }
    if let sandbox { words += ["--root", sandbox.folder, "--state", sandbox.state] }
    return words
  }

  /// Starts the process, which has descriptors of its own besides those of `fds` and `output`.
  func spawn(
    _ executable: String, _ arguments: [String], fds: [(from: Int32, to: Int32)], output: Int32
  ) throws(SystemError) -> Int32 {
    let environment = HostEnvironment.variables
    #if os(Linux)
      if sandbox != nil {
        do throws(SystemError) {
          return try ChildProcess.spawnIsolated(
            executable, arguments + self.arguments, environment: environment,
            fds: fds + descriptors, output: output, isUserNamespaceAllowed: user == nil)
        } catch {
          throw SystemError(
            error.call, error.errno, subject: error.subject,
            detail:
              "`sandbox: strict` cannot be had here: \(error.errno) (\(error.errno.name)); see lima-netd doctor"
          )
        }
      }
    #endif
    return try ChildProcess.spawn(
      executable, arguments + self.arguments, environment: environment, fds: fds + descriptors,
      output: output, newGroup: true)
  }

  private var descriptors: [(from: Int32, to: Int32)] {
    state.map { [(from: $0, to: StateFolder.descriptor)] } ?? []
  }
}

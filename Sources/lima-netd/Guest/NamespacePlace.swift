// SPDX-License-Identifier: Apache-2.0
//
// NamespacePlace: the network namespace for `attach`, given by a process, a file, a name of `ip netns` or a container; and
// how to enter it.

import Daemon
import Platform

#if os(Linux)

  import LibC

  struct NamespacePlace {
    /// Path of the namespace's file.
    let path: String
    /// The process in the namespace; nil: a file was given.
    let process: Int32?
    /// The guest's default name: "netns-lab", "pid-4711", "web".
    let name: String

    /// The directory of `ip netns`.
    static let directory = "/run/netns"

    init(netns: String) {
      process = Int32(netns).flatMap { $0 > 0 ? $0 : nil }
      if let process {
        path = "/proc/\(process)/ns/net"
        name = "pid-\(process)"
        return
      }
      let isName = !netns.contains("/") && !Files.exists(netns)
      path = isName ? "\(Self.directory)/\(netns)" : netns
      name = "netns-\(path.split(separator: "/").last ?? "")"
    }

    init(container: String) throws {
      let process = try ContainerProcess().identifier(of: container)
      self.process = process
      path = "/proc/\(process)/ns/net"
      name = container
    }

    /// Moves this process into the namespace, if necessary through the user namespace that owns it.
    /// - Returns: a descriptor that becomes readable when the namespace's process ends; -1 for a file.
    func enter() throws -> Int32 {
      if let own = Namespaces.identity(of: "/proc/self/ns/net"),
        Namespaces.identity(of: path) == own
      {
        let what = process.map { "Process \($0) lives in" } ?? "\(path) is"
        throw CommandFailure(
          "\(what) the host's own network namespace; attach is for a container's",
          remedy: "For a command with a network of its own:  lima-netd exec NETWORK")
      }
      do throws(SystemError) {
        let network = try Namespaces.open(path)
        defer { Descriptor.close(network) }
        var gone: Int32 = -1
        if let process { gone = try ChildProcess.watch(process) }
        if try !isEntered(network) {
          let owner = try Namespaces.owner(of: network, path: path)
          defer { Descriptor.close(owner) }
          try Namespaces.enter(owner, .user, path: "the user namespace of \(path)")
          try Namespaces.enter(network, .network, path: path)
        }
        return gone
      } catch {
        throw explain(error)
      }
    }

    /// - Returns: false if this process has no permission in the namespace.
    private func isEntered(_ network: Int32) throws(SystemError) -> Bool {
      do throws(SystemError) {
        try Namespaces.enter(network, .network, path: path)
        return true
      } catch {
        guard error.errno.rawValue == EPERM else { throw error }
        return false
      }
    }

    private func explain(_ error: SystemError) -> CommandFailure {
      switch error.errno.rawValue {
      case ENOENT, ESRCH:
        return CommandFailure(
          process.map { "There is no process \($0)" } ?? "There is no namespace \(path)",
          remedy: process == nil ? "List the named ones:  ip netns list" : nil)
      case EPERM, EACCES:
        return CommandFailure(
          "The namespace \(path) belongs to another user (\(error.call): \(error.errno.name))",
          remedy: "Run this as the user who made it, or as root.")
      case EINVAL:
        return CommandFailure(
          "\(path) is not a network namespace",
          remedy: "Give a process's id, or a file that is one:  ls /run/netns; lsns -t net")
      default:
        return CommandFailure(
          "The namespace \(path) could not be entered: \(error)",
          remedy: "Those there are, and whose:  lsns -t net")
      }
    }
  }

#endif

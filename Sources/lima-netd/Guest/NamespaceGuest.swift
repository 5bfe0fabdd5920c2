// SPDX-License-Identifier: Apache-2.0
//
// NamespaceGuest: the life of `attach`: find and enter the namespace, make and hand over the TAP, configure it, stay.

import Daemon
import Platform

#if os(Linux)

  import Glibc

  struct NamespaceGuest {
    private let options: Attach
    private let home: LimaHome
    /// The namespace's file: as given, or of the given process.
    private let path: String
    private let process: Int32?

    init(_ options: Attach) throws {
      self.options = options
      home = try options.home.resolve()
      process = Int32(options.netns).flatMap { $0 > 0 ? $0 : nil }
      path = process.map { "/proc/\($0)/ns/net" } ?? options.netns
    }

    func run() throws {
      guard let channel = try Attachment.connect(home) else {
        throw CommandFailure.daemonNotRunning(home.path)
      }
      let signals = try ForegroundSignals([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
      let gone = try enter()
      let identity = Namespaces.identity(of: path)
      let interface = try GuestInterface(name: options.tap, mac: options.guest.mac)
      let request = AttachRequest(
        network: options.network, name: options.guest.name ?? defaultName,
        mac: interface.mac, mtu: options.guest.mtu ?? 0, vnetHeader: interface.tap.vnetHeader,
        needsLease: !options.noConfiguration)
      let attachment = try Attachment(channel, request, tap: interface.tap.fd)
      if let lease = attachment.offer, !options.noConfiguration {
        try interface.configure(lease, mtu: options.guest.mtu)
      } else {
        try interface.bringUp(mtu: options.guest.mtu)
      }
      announce(attachment.offer)
      StandardStreams.letGoOfPipes()
      try stay(attachment, signals, gone, identity, interface)
    }

    /// "netns-lab", "pid-4711"
    private var defaultName: String {
      process.map { "pid-\($0)" } ?? "netns-\(path.split(separator: "/").last ?? "")"
    }

    /// Moves this process into the namespace, by way of the user namespace that owns it where that is needed.
    /// - Returns: a descriptor that becomes readable when the namespace's process ends; -1 for a file.
    private func enter() throws -> Int32 {
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

    /// - Returns: false when this process has no say in the namespace.
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

    private func announce(_ lease: LeaseOffer?) {
      guard let lease else {
        StandardOutput.print(
          "\(options.tap) is on network \(options.network), which gives no addresses itself")
        return ready()
      }
      let address = "\(lease.address)/\(lease.prefixLength)"
      let gateway = lease.gateway.map { " via \($0)" } ?? ""
      let dns = lease.dns.isEmpty ? "" : ", DNS " + lease.dns.joined(separator: " ")
      StandardOutput.print(
        options.noConfiguration
          ? "\(options.tap) is on network \(options.network), which offers \(address)\(gateway)\(dns)"
          : "\(options.tap) has \(address)\(gateway)\(dns)")
      ready()
    }

    private func ready() {
      guard let fd = options.readyDescriptor else { return }
      if write(fd, "1", 1) != 1 {
        StandardError.print("lima-netd: --ready-fd \(fd): \(Errno.current)")
      }
      Descriptor.close(fd)
    }

    private func stay(
      _ attachment: Attachment, _ signals: ForegroundSignals, _ gone: Int32,
      _ identity: Namespaces.Identity?, _ interface: GuestInterface
    ) throws {
      let last = LastBytes(
        interface: interface, signals: signals,
        isAttached: { !Foreground.wait([attachment.channel.fd], milliseconds: 0)[0] })
      while true {
        // A namespace's file gives no event when it goes: look once a second.
        let ready = Foreground.wait(
          [signals.fd, gone, attachment.channel.fd], milliseconds: process == nil ? 1000 : -1)
        // Who lives on in the namespace loses the interface all the same: what counts is what others left.
        if ready[0] { return last.wait(orphansOnly: true, limits: .interrupted) }
        if ready[1] { return last.wait() }
        if ready[2] {
          throw CommandFailure(
            "The daemon ended the attachment to network \(options.network)",
            remedy: "Why, is in its status:  lima-netd status")
        }
        if process == nil, Namespaces.identity(of: path) != identity { return last.wait() }
      }
    }
  }

#endif

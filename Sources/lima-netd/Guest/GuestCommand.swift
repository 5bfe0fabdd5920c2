// SPDX-License-Identifier: Apache-2.0
//
// GuestCommand: the life of `exec`: daemon, namespaces, TAP, lease, command, status. The order matters: the daemon is
// reached (or started) outside the namespaces, everything after that happens inside. Should the daemon go while
// the command runs, the TAP is handed to the next one that comes up.

import Daemon
import Platform

#if os(Linux)

  import Glibc

  struct GuestCommand {
    private let options: Exec
    private let home: LimaHome

    init(_ options: Exec) throws {
      self.options = options
      self.home = try options.home.resolve()
    }

    /// - Returns: the exit status for the shell.
    func run() throws -> Int32 {
      if let note = Advice().pingNote(
        command: options.command[0], groups: GuestNamespace.groups())
      {
        StandardError.print(note)
      }
      guard let channel = try Attachment.connect(home) else {
        let (daemon, channel) = try PrivateDaemon.start(
          for: home, pluginDirectories: options.pluginDirectories)
        defer { daemon.stop() }
        return try run(channel, reattachTo: nil)
      }
      return try run(channel, reattachTo: home)
    }

    private func run(_ channel: MessageChannel, reattachTo home: LimaHome?) throws -> Int32 {
      let signals = try ForegroundSignals([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
      try GuestNamespace.enter()
      let interface = try GuestInterface(name: "eth0", mac: options.guest.mac)
      let request = AttachRequest(
        network: options.network, name: options.guest.name ?? "exec-\(getpid())",
        mac: interface.mac, mtu: options.guest.mtu ?? 0, vnetHeader: interface.tap.vnetHeader)
      let attachment = try Attachment(channel, request, tap: interface.tap.fd)
      let lease = try attachment.lease()
      try interface.configure(lease, mtu: options.guest.mtu)
      setResolver(lease)

      let child: Int32
      do throws(SystemError) {
        child = try Foreground.spawn(options.command, signals: signals)
      } catch {
        let missing = error.errno == .noSuchFile
        StandardError.print(
          missing
            ? "Error: \(options.command[0]): no such command"
            : "Error: \(options.command[0]) cannot be run: \(error.errno)")
        return missing ? 127 : 126
      }
      return try wait(
        for: child, signals,
        GuestLink(
          tap: interface.tap.fd, request: request, attachment: attachment, home: home,
          configure: { try interface.configure($0, mtu: options.guest.mtu) }),
        interface)
    }

    /// Names are a comfort a command may do without, and a sandbox may forbid the mount.
    private func setResolver(_ lease: LeaseOffer) {
      guard !lease.dns.isEmpty else { return }
      do {
        try ResolverFile.install(ResolverFile.text(lease, network: options.network))
      } catch {
        StandardError.print(
          "lima-netd: names resolve as on the host: \(ResolverFile.path) was not replaced: \(error)"
        )
      }
    }

    private func wait(
      for child: Int32, _ signals: ForegroundSignals, _ link: GuestLink,
      _ interface: GuestInterface
    ) throws -> Int32 {
      var link = link
      var wasTold = false
      let ended = try ChildProcess.watch(child)
      defer { Descriptor.close(ended) }
      while true {
        let waiting = link.attachment == nil && link.home != nil
        let ready = Foreground.wait(
          [signals.fd, link.fd, ended], milliseconds: waiting ? 300 : -1)
        if ready[2] {
          let status = try ChildProcess.wait(child)
          LastBytes(interface: interface, signals: signals, isAttached: { link.isAlive() }).wait(
            limits: wasTold || status.isKilled ? .interrupted : UnsentBytes.Limits())
          return status.shellStatus
        }
        if ready[0] {
          while let (signal, fromProcess) = signals.next() {
            // The terminal has signalled the command itself: it is in our group.
            if fromProcess {
              wasTold = true
              ChildProcess.kill(child, signal)
            }
          }
        }
        if ready[1] { link.drop() }
        link.retry()
      }
    }
  }

#endif

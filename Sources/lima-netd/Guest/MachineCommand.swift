// SPDX-License-Identifier: Apache-2.0
//
// MachineCommand: the life of `tap`: daemon, pair of TAPs, command, status. This process and the command stay in the
// namespaces they are in. Should the daemon go while the command runs, the TAP is handed to the next one.

import Daemon
import Platform

#if os(Linux)

  import Glibc

  struct MachineCommand {
    private let options: TapCommand
    private let home: LimaHome
    /// Milliseconds that frames of an ended machine may still take to the daemon, which reads them in no time.
    private static let lastFrames = 1000

    init(_ options: TapCommand) throws {
      self.options = options
      self.home = try options.home.resolve()
    }

    /// - Returns: the exit status for the shell.
    func run() throws -> Int32 {
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
      let pair = try WirePair()
      let request = AttachRequest(
        network: options.network, name: options.guest.name ?? "tap-\(getpid())",
        mac: options.guest.mac?.description, mtu: options.guest.mtu ?? 0, vnetHeader: true,
        needsLease: false)
      let link = GuestLink(
        tap: pair.network, request: request,
        attachment: try Attachment(channel, request, tap: pair.network), home: home,
        configure: { _ in })
      let child: Int32
      do throws(SystemError) {
        child = try Foreground.spawn(
          options.command, signals: signals, passing: (pair.machine, as: options.descriptor))
      } catch {
        let missing = error.errno == .noSuchFile
        StandardError.print(
          missing
            ? "Error: \(options.command[0]): no such command"
            : "Error: \(options.command[0]) cannot be run: \(error.errno)")
        return missing ? 127 : 126
      }
      // The machine's end goes with the machine.
      Descriptor.close(pair.machine)
      return try wait(for: child, signals, link)
    }

    private func wait(
      for child: Int32, _ signals: ForegroundSignals, _ link: GuestLink
    ) throws -> Int32 {
      var link = link
      let ended = try ChildProcess.watch(child)
      defer { Descriptor.close(ended) }
      while true {
        let waiting = link.attachment == nil && link.home != nil
        let ready = Foreground.wait(
          [signals.fd, link.fd, ended], milliseconds: waiting ? 300 : -1)
        if ready[2] {
          let status = try ChildProcess.wait(child)
          for _ in 0..<Self.lastFrames {
            guard Foreground.wait([link.tap], milliseconds: 0)[0], link.isAlive() else { break }
            _ = Foreground.wait([], milliseconds: 1)
          }
          return status.shellStatus
        }
        if ready[0] {
          while let (signal, fromProcess) = signals.next() {
            // The terminal has signalled the command itself: it is in our group.
            if fromProcess { ChildProcess.kill(child, signal) }
          }
        }
        if ready[1] { link.drop() }
        link.retry()
      }
    }
  }

#endif

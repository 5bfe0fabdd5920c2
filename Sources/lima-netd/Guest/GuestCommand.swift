// SPDX-License-Identifier: Apache-2.0
//
// GuestCommand: the life of `exec` and `tap`: daemon, guest, command, exit status. The order matters: the daemon is reached
// (or started) before the guest is made, which may move this process into namespaces.

import ArgumentParser
import Daemon
import Platform

#if os(Linux)

  import LibC

  struct GuestCommand {
    private let options: CommandOptions
    private let words: [String]

    /// - Parameter command: what runs: a program, searched in PATH, and its arguments.
    init(_ options: CommandOptions, command: [String]) {
      self.options = options
      words = command
    }

    /// Never returns normally: the command's exit status, or 125 with the reason on standard error.
    func run<Guest: CommandGuest>(_ make: () throws -> Guest) throws -> Never {
      do {
        throw ExitCode(try status(make))
      } catch let failure as CommandFailure {
        StandardError.print("Error: \(failure)")
      } catch let error as SystemError {
        StandardError.print("Error: \(CommandFailure(error))")
      }
      throw ExitCode(125)
    }

    private func status<Guest: CommandGuest>(_ make: () throws -> Guest) throws -> Int32 {
      let daemon = try GuestDaemon.reach(
        options.home.resolveServed(), pluginDirectories: options.pluginDirectories)
      defer { daemon.stop() }
      let signals = try ForegroundSignals(Self.signals)
      let guest = try make()
      var link = try GuestLink(daemon, guest.request, tap: guest.tap) {
        try guest.configure($0, before: $1)
      }
      try guest.prepare(link.attachment?.offer)
      let child: Int32
      do throws(SystemError) {
        child = try Foreground.spawn(
          words, signals: signals, passing: guest.passing, endSignal: guest.endSignal)
      } catch {
        return Self.failed(words[0], error)
      }
      guest.begun()
      let (status, wasTold) = try wait(for: child, signals, &link)
      guest.finish(&link, signals, isHurried: wasTold || status.isKilled)
      return status.shellStatus
    }

    static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    /// - Returns: what a shell returns for a command that cannot be run.
    static func failed(_ program: String, _ error: SystemError) -> Int32 {
      let isMissing = error.errno == .noSuchFile
      StandardError.print(
        "Error: \(program)"
          + (isMissing ? ": no such command" : " cannot be run: \(error.errno)"))
      return isMissing ? 127 : 126
    }

    /// Passes signals on until the command ends.
    /// - Returns: its end, and whether it was told to.
    private func wait(
      for child: Int32, _ signals: ForegroundSignals, _ link: inout GuestLink
    ) throws -> (ChildProcess.ExitStatus, wasTold: Bool) {
      var wasTold = false
      let ended = try ChildProcess.watch(child)
      defer { Descriptor.close(ended) }
      while true {
        let ready = link.wait(for: [signals.fd, ended])
        if ready[1] { return (try ChildProcess.wait(child), wasTold) }
        guard ready[0] else { continue }
        while let (signal, fromProcess) = signals.next() {
          // One of the terminal has reached the command itself: it is in our group.
          guard fromProcess else { continue }
          wasTold = true
          ChildProcess.kill(child, signal)
        }
      }
    }
  }

#endif

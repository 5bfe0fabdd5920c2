// SPDX-License-Identifier: Apache-2.0
//
// GuestCommand: runs `exec` and `tap`: daemon, guest, command, exit status. The daemon must be connected to (or started)
// before the guest is created, which may move this process into namespaces.

import ArgumentParser
import Daemon
import Platform

#if os(Linux)

  import LibC

  struct GuestCommand {
    private let options: CommandOptions
    private let words: [String]

    /// - Parameter command: a program, searched in PATH, and its arguments.
    init(_ options: CommandOptions, command: [String]) {
      self.options = options
      words = command
    }

    /// Ends the process with the command's exit status, or with 125 and the reason on standard error.
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

    /// - Returns: a shell's exit status for a command that cannot be run.
    static func failed(_ program: String, _ error: SystemError) -> Int32 {
      let isMissing = error.errno == .noSuchFile
      StandardError.print(
        "Error: \(program)"
          + (isMissing ? ": no such command" : " cannot be run: \(error.errno)"))
      return isMissing ? 127 : 126
    }

    /// Forwards signals until the command ends.
    /// - Returns: its status, and whether it was told to end.
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
          // The terminal has sent it to the command, too, which is in the same process group.
          guard fromProcess else { continue }
          wasTold = true
          ChildProcess.kill(child, signal)
        }
      }
    }
  }

#endif

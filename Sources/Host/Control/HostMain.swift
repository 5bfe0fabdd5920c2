// SPDX-License-Identifier: Apache-2.0
//
// The subcommands of lima-netd-host.

import LibC
import CPlatform
import HostProtocol
import JSONCoding
import Platform

package enum HostMain {
  private static let usage = """
    usage: lima-netd-host inspect FILE
           lima-netd-host check FILE TEST [--plugin NAME --kind KIND --options JSON --seed N]
           lima-netd-host replay FILE PCAP OUT [--plugin NAME --kind KIND --options JSON]
           lima-netd-host run --control-fd N [--heartbeat-fd N] [--capabilities NAME,...]
                              [--user UID:GID:NAME] [--state-fd N]
                              [--root FOLDER --state FOLDER] [--user-namespace yes]

    A part of lima-netd, which starts it: see lima-netd --help.

    """

  package static func run(_ arguments: [String]) -> Never {
    Descriptor.openStandard()
    Signals.ignoreBrokenPipes()
    switch arguments.first {
    case "inspect" where arguments.count == 2: inspect(arguments[1])
    case "check":
      CheckMain.run(Array(arguments.dropFirst()))
      fail(usage)
    case "replay":
      CheckMain.replay(Array(arguments.dropFirst()))
      fail(usage)
    case "run":
      guard let options = RunOptions(Array(arguments.dropFirst())) else { fail(usage) }
      serve(options)
    default: fail(usage)
    }
  }

  /// `LIMA_NETD_LOG` is the minimum level that is logged: trace, debug, info (the default), warn, error.
  private static func serve(_ options: RunOptions) -> Never {
    let level = getenv("LIMA_NETD_LOG").flatMap { HostLog.Level(name: String(cString: $0)) }
    let log = HostLog(minimum: level ?? .info)
    CurrentProcess.raiseDescriptorLimit()
    var confinement = ProcessConfinement()
    do throws(SystemError) {
      for fd in [options.control, options.state].compactMap({ $0 }) {
        try Descriptor.setCloseOnExec(fd)
      }
      if let root = options.root, let state = options.stateFolder {
        try confinement.isolate(folder: root, state: state)
      }
      if let user = options.user { try confinement.become(user) }
    } catch {
      log.error("host", error.description)
      _exit(1)
    }
    // Those of a user namespace reach nothing that a network has to do with.
    confinement.begin(keeping: options.isInUserNamespace ? nil : options.capabilities)
    _ = plat_report_crashes()
    // Each port has buffers of a MiB.
    plat_map_large_blocks()
    do throws(SystemError) {
      let process = try NetworkProcess(
        controlFD: options.control, log: log, executable: try? ChildProcess.ownPath(),
        confinement: confinement,
        heartbeat: try options.heartbeat.map { fd throws(SystemError) in try map(fd) }
          ?? Heartbeat())
      let status = process.run()
      // Not exit: destructors of plugins' libraries must not run.
      _exit(status)
    } catch {
      log.error("host", error.description)
      _exit(1)
    }
  }

  /// Mapped until the process ends; the descriptor is no longer needed.
  private static func map(_ fd: Int32) throws(SystemError) -> Heartbeat {
    defer { Descriptor.close(fd) }
    return Heartbeat(page: try SharedMemory.map(fd, size: HeartbeatLayout.size))
  }

  private static func inspect(_ path: String) -> Never {
    guard let output = try? JSONCoder.encode(Inspector.inspect(path)) else {
      fail("the result is no JSON\n")
    }
    write(1, output + [0x0a])
    // Not exit: the file's own destructors must not run.
    _exit(0)
  }

  private static func fail(_ text: String) -> Never {
    write(2, Array(text.utf8))
    _exit(2)
  }

  private static func write(_ fd: Int32, _ bytes: [UInt8]) {
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { systemWrite(fd, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      sent += count
    }
  }
}

private func systemWrite(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(fd, bytes, count)
}

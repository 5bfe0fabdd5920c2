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
    case "run" where arguments.count >= 3 && arguments[1] == "--control-fd":
      var rest = Array(arguments.dropFirst(3))
      var heartbeat: Int32?
      if rest.first == "--heartbeat-fd" {
        guard rest.count > 1, let fd = Int32(rest[1]), fd > 2 else { fail(usage) }
        heartbeat = fd
        rest.removeFirst(2)
      }
      guard let fd = Int32(arguments[2]), fd > 2, fd != heartbeat, let kept = capabilities(rest)
      else { fail(usage) }
      serve(fd, heartbeat: heartbeat, keeping: kept)
    default: fail(usage)
    }
  }

  private static func capabilities(_ words: [String]) -> Set<Capability>? {
    if words.isEmpty { return [] }
    guard words.count == 2, words[0] == "--capabilities" else { return nil }
    let known = words[1].split(separator: ",").map { Capability(name: String($0)) }
    return known.contains(nil) ? nil : Set(known.compactMap { $0 })
  }

  /// `LIMA_NETD_LOG` is the minimum level that is logged: trace, debug, info (the default), warn, error.
  private static func serve(
    _ fd: Int32, heartbeat: Int32?, keeping capabilities: Set<Capability>
  ) -> Never {
    let level = getenv("LIMA_NETD_LOG").flatMap { HostLog.Level(name: String(cString: $0)) }
    let log = HostLog(minimum: level ?? .info)
    CurrentProcess.raiseDescriptorLimit()
    var confinement = ProcessConfinement()
    confinement.begin(keeping: capabilities)
    _ = plat_report_crashes()
    // Each port has buffers of a MiB.
    plat_map_large_blocks()
    do throws(SystemError) {
      try Descriptor.setCloseOnExec(fd)
      let process = try NetworkProcess(
        controlFD: fd, log: log, executable: try? ChildProcess.ownPath(), confinement: confinement,
        heartbeat: try heartbeat.map { fd throws(SystemError) in try map(fd) } ?? Heartbeat())
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

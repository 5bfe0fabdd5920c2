// SPDX-License-Identifier: Apache-2.0
//
// The two sub-commands of lima-netd-host.

import HostProtocol
import JSONCoding
import Platform

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package enum HostMain {
  private static let usage = """
    usage: lima-netd-host inspect FILE
           lima-netd-host run --control-fd N

    A part of lima-netd, which starts it: see lima-netd --help.

    """

  package static func run(_ arguments: [String]) -> Never {
    Signals.ignoreBrokenPipes()
    switch arguments.first {
    case "inspect" where arguments.count == 2: inspect(arguments[1])
    default: fail(usage)
    }
  }

  private static func inspect(_ path: String) -> Never {
    guard let output = try? JSONCoder.encode(Inspector.inspect(path)) else {
      fail("the result is no JSON\n")
    }
    write(1, output + [0x0a])
    // Not exit: the file's own destructors have no business here.
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

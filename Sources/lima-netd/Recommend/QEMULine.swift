// SPDX-License-Identifier: Apache-2.0
//
// QEMULine: the command that starts QEMU on a network without Lima, such that the connection survives a restart of the
// daemon: through the network's socket if QEMU reconnects (8.0), otherwise with a TAP that `lima-netd tap` keeps. Pure.

import Daemon
import Platform

struct QEMULine {
  let network: String
  /// The network's socket for QEMU.
  let socket: String
  /// Unique for each machine.
  let mac: String
  /// "x86_64", "aarch64".
  let arch: String
  let capabilities: QEMUCapabilities
  /// This program, quoted for a shell.
  var command = "lima-netd"
  /// " --lima-home DIR", or "".
  var home = ""

  /// Lines of a POSIX shell that form one command.
  var lines: [String] {
    get throws(DriverArguments.Problem) {
      let keepsLink = !capabilities.reconnect.isEmpty
      let words = try DriverArguments.qemu(
        id: "n0", mac: mac, socket: socket, capabilities, keepsLink ? .stream : .taps(first: 3))
      let before = keepsLink ? "" : "\(command) tap \(ShellWord.quoted(network))\(home) -- "
      var lines = ["\(before)qemu-system-\(arch) ... \\"]
      for index in stride(from: 0, to: words.count, by: 2) {
        let pair = DriverArguments.shell(Array(words[index..<min(index + 2, words.count)]))
        lines.append("  \(pair)" + (index + 2 < words.count ? " \\" : ""))
      }
      return lines
    }
  }

  /// A random, locally administered address in Lima's range.
  static func randomMAC(using generator: inout some RandomNumberGenerator) -> String {
    "52:55:55"
      + (0..<3).map { _ in
        let byte = UInt8.random(in: .min ... .max, using: &generator)
        return (byte < 16 ? ":0" : ":") + String(byte, radix: 16)
      }.joined()
  }

  /// This machine's architecture by QEMU's name.
  static var ownArchitecture: String {
    #if arch(arm64)
      "aarch64"
    #else
      "x86_64"
    #endif
  }
}

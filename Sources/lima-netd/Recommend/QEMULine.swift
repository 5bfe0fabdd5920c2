// SPDX-License-Identifier: Apache-2.0
//
// QEMULine: the whole command by which a QEMU that Lima does not start is on a network, as the installed QEMU can be on it
// for good: by the network's socket where it connects again after a restart of the daemon (8.0), else by a TAP, which
// `lima-netd tap` holds over restarts. Pure.

import Daemon
import Platform

struct QEMULine {
  let network: String
  /// The network's, for QEMU.
  let socket: String
  /// Of its own, for each machine.
  let mac: String
  /// "x86_64", "aarch64".
  let arch: String
  let capabilities: QEMUCapabilities
  /// This program, a word for a shell.
  var command = "lima-netd"
  /// " --lima-home DIR", or "".
  var home = ""

  /// Lines of a POSIX shell that are one command.
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

  /// Locally administered, in Lima's own range: what it is made of nobody can know.
  static func randomMAC(using generator: inout some RandomNumberGenerator) -> String {
    "52:55:55"
      + (0..<3).map { _ in
        let byte = UInt8.random(in: .min ... .max, using: &generator)
        return (byte < 16 ? ":0" : ":") + String(byte, radix: 16)
      }.joined()
  }

  /// This machine's, as QEMU calls it.
  static var ownArchitecture: String {
    #if arch(arm64)
      "aarch64"
    #else
      "x86_64"
    #endif
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Pulse: the supervisor's side of HeartbeatLayout: what a network's process told of its loop last. Nothing in it is trusted:
// plugins live in that process.

import HostProtocol
import Platform

final class Pulse {
  let page: SharedPage

  init() throws(SystemError) {
    page = try SharedPage(name: "lima-netd-heartbeat", size: HeartbeatLayout.size)
  }

  /// Of a process that a supervisor before this one has started; takes over `fd`.
  init(fd: Int32) throws(SystemError) {
    page = try SharedPage(fd: fd, size: HeartbeatLayout.size)
  }

  /// The version of HostProtocol that the process speaks.
  var version: UInt64 { page.word(at: HeartbeatLayout.version) }

  /// For the process; this object's to close.
  var fd: Int32 { page.fd }

  /// See `HeartbeatLayout`.
  var beat: UInt64 { page.word(at: HeartbeatLayout.beat) }
  var requests: UInt64 { page.word(at: HeartbeatLayout.requests) }

  /// "rx of network plugin slirp"; nil: no callback runs.
  var callback: String? {
    let slot = page.word(at: HeartbeatLayout.plugin)
    guard slot > 0, slot <= UInt64(HeartbeatLayout.labels) else { return nil }
    let label = text(
      HeartbeatLayout.plugins + Int(slot - 1) * HeartbeatLayout.labelSize,
      HeartbeatLayout.labelSize)
    return "\(text(HeartbeatLayout.callback, HeartbeatLayout.nameSize)) of \(label)"
  }

  /// Up to the first 0, of printable ASCII.
  private func text(_ offset: Int, _ size: Int) -> String {
    let shown = page.bytes(at: offset, count: size).prefix { $0 != 0 }
      .map { (0x20..<0x7f).contains($0) ? $0 : UInt8(ascii: "?") }
    return String(decoding: shown, as: UTF8.self)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The log of a network process: stderr, one line and one write per message, so that lines of several threads do not
// mix. Any thread.
//
//     2026-01-31T12:34:56.789Z WARN  plugin slirp: text

import LibC
import Platform
import PluginAPI

package struct HostLog: Sendable {
  /// Raw values are LND_LOG_*.
  package enum Level: UInt32, Comparable, Sendable {
    case trace = 0
    case debug = 1
    case info = 2
    case warning = 3
    case error = 4

    package static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }

    package init?(name: String) {
      switch name {
      case "trace": self = .trace
      case "debug": self = .debug
      case "info": self = .info
      case "warn", "warning": self = .warning
      case "error": self = .error
      default: return nil
      }
    }

    fileprivate var label: String {
      switch self {
      case .trace: "TRACE"
      case .debug: "DEBUG"
      case .info: "INFO "
      case .warning: "WARN "
      case .error: "ERROR"
      }
    }
  }

  /// Maximum bytes of a message; the rest is cut.
  package static let maximumLength = 8192

  package let minimum: Level
  private let fd: Int32
  private let budget = LogBudget()
  /// Texts that are masked in all lines.
  package let secrets = SecretTexts()

  package init(minimum: Level = .info, fd: Int32 = 2) {
    self.minimum = minimum
    self.fd = fd
  }

  package func error(_ component: String, _ text: String) { write(.error, component, text) }
  package func warning(_ component: String, _ text: String) { write(.warning, component, text) }
  package func info(_ component: String, _ text: String) { write(.info, component, text) }

  package func debug(_ component: String, _ text: @autoclosure () -> String) {
    guard minimum <= .debug else { return }
    write(.debug, component, text())
  }

  /// Control characters become spaces, so that a message is one line. A message over the rate limit (`LogBudget`) is
  /// dropped.
  package func write(_ level: Level, _ component: String, _ text: String) {
    guard level >= minimum,
      let leftOut = budget.admit(component, text, now: MonotonicClock.now())
    else { return }
    var line = Array("\(WallClock.timestamp()) \(level.label) \(component): ".utf8)
    if leftOut > 0 { line += "(\(leftOut) such lines were left out) ".utf8 }
    var before: UInt8 = 0
    for byte in secrets.masked(text).utf8.prefix(Self.maximumLength) {
      // U+0080 to U+009F, the second byte of two: terminals take U+009B for ESC [.
      let isC1 = before == 0xc2 && byte < 0xa0
      line.append(byte < 0x20 || byte == 0x7f ? 0x20 : isC1 ? 0xbf : byte)
      before = byte
    }
    line.append(0x0a)
    // A failure to write the log cannot be reported.
    _ = Files.writeIfReady(fd, line)
  }
}

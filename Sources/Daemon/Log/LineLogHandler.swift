// SPDX-License-Identifier: Apache-2.0
//
// LineLogHandler: writes one line per event to standard error and to the daemon's log file: time, level, text; further
// lines of a text are indented. A line that cannot be written is dropped: neither a full disk nor a blocked pipe stops the
// networks. Any thread.

import Logging
import Platform
import Synchronization

package struct LineLogHandler: LogHandler {
  package var logLevel: Logger.Level
  package var metadata: Logger.Metadata = [:]
  private let sink: LogSink

  package init(level: Logger.Level, sink: LogSink) {
    self.logLevel = level
    self.sink = sink
  }

  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  package func log(event: LogEvent) {
    let text = Self.line(
      time: WallClock.timestamp(), level: event.level, text: event.message.description)
    sink.write(text)
  }

  static func line(time: String, level: Logger.Level, text: String) -> String {
    let word = level.rawValue.uppercased()
    let padding = String(repeating: " ", count: max(0, 8 - word.count))
    let clean = String(
      text.map { $0.isNewline || $0 == "\t" || ($0.asciiValue ?? 32) >= 32 ? $0 : "?" })
    return "\(time) \(word)\(padding) " + clean.split(separator: "\n").joined(separator: "\n    ")
      + "\n"
  }
}

/// The destinations of lines.
package final class LogSink: Sendable {
  /// The log file; -1 before `open`.
  private let file = Mutex<(fd: Int32, path: String, size: Int)>((-1, "", 0))
  private let error: Mutex<StandardError>
  private let standardError: Int32
  private let limit: Int

  private struct StandardError {
    /// Number of lines dropped since the last one was written.
    var lost = 0
    /// Remaining bytes; nil: it is no file, and not limited.
    var room: Int?
    /// The notice that no more lines follow was written.
    var isFull = false
  }

  /// - Parameters:
  ///   - standardError: an additional descriptor. If it is a file, which cannot be rotated here, it gets at most `limit`
  ///     bytes, and then a notice with the path of the log file.
  ///   - limit: maximum bytes of a file.
  package init(standardError: Int32 = 2, limit: Int = 8 << 20) {
    self.standardError = standardError
    self.limit = limit
    let size = Files.size(ofFile: standardError)
    error = Mutex(StandardError(room: size.map { max(0, limit - Int(clamping: $0)) }))
  }

  /// From now on lines are also written to `path`.
  package func open(_ path: String) throws(SystemError) {
    let fd = try Files.openForAppending(path, mode: 0o600)
    let size = (try? Files.info(path).size).map(Int.init) ?? 0
    file.withLock { $0 = (fd, path, size) }
  }

  func write(_ line: String) {
    let bytes = Array(line.utf8)
    file.withLock { file in
      tell(bytes, rest: file.path)
      guard file.fd >= 0 else { return }
      if file.size + bytes.count > limit { rotate(&file) }
      guard file.fd >= 0 else { return }
      try? Files.writeAll(file.fd, bytes)
      file.size += bytes.count
    }
  }

  /// - Parameter rest: path of the log file; "": there is none yet.
  private func tell(_ line: [UInt8], rest: String) {
    error.withLock { error in
      guard hasRoom(&error, for: line.count, rest) else { return }
      if error.lost > 0 {
        let note =
          "lima-netd: \(Plural.text(error.lost, "line")) not taken here, but in the log file\n"
        guard Files.writeIfReady(standardError, Array(note.utf8)) else { return error.lost += 1 }
        error.lost = 0
      }
      if !Files.writeIfReady(standardError, line) { error.lost += 1 }
    }
  }

  private func hasRoom(_ error: inout StandardError, for count: Int, _ rest: String) -> Bool {
    guard let room = error.room, !rest.isEmpty else { return true }
    error.room = max(0, room - count)
    guard room < count else { return true }
    if !error.isFull {
      error.isFull = true
      error.room = 0
      let note =
        "lima-netd: this file is as long as it may be; from here on all is in \(rest) alone\n"
      _ = Files.writeIfReady(standardError, Array(note.utf8))
    }
    return false
  }

  /// Renames the file to PATH.1, replacing the previous one.
  private func rotate(_ file: inout (fd: Int32, path: String, size: Int)) {
    Descriptor.close(file.fd)
    try? Files.rename(file.path, to: file.path + ".1")
    file.fd = (try? Files.openForAppending(file.path, mode: 0o600)) ?? -1
    file.size = 0
  }
}

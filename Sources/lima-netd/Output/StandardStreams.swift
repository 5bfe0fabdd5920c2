// SPDX-License-Identifier: Apache-2.0
//
// StandardOutput, StandardError: a command's output and notes. Unbuffered: a line is written when print returns, even if
// the process then waits for hours. Control characters in text from files and arguments are not passed to a terminal. A
// closed pipe is no error; a full disk is an error of the command, which `check` reports at its end.

import LibC
import Platform
import Synchronization

/// Closes output streams that are pipes, for a command that has printed everything and continues to run: a program that
/// reads its output waits for the end. Files and terminals stay open.
enum StandardStreams {
  static func letGoOfPipes() { letGo(onlyPipes: true) }

  /// Closes all of them, for a command that continues in the background.
  static func letGo() { letGo(onlyPipes: false) }

  private static func letGo(onlyPipes: Bool) {
    for fd: Int32 in [1, 2] {
      var status = stat()
      guard fstat(fd, &status) == 0, !onlyPipes || status.st_mode & S_IFMT == S_IFIFO else {
        continue
      }
      let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
      guard null >= 0 else { return }
      dup2(null, fd)
      if null != fd { close(null) }
    }
  }
}

enum StandardOutput {
  /// The first errno of a failed write, except EPIPE; 0: none. Like stdio's ferror(3) it is of the stream, and so of the
  /// process.
  private static let failure = Atomic<Int32>(0)

  static func print(_ text: String, terminator: String = "\n") {
    do throws(SystemError) {
      try Files.writeAll(1, Array((Paragraph.printableLines(text) + terminator).utf8))
    } catch {
      guard error.errno.rawValue != EPIPE else { return }
      _ = failure.compareExchange(
        expected: 0, desired: error.errno.rawValue, ordering: .relaxed)
    }
  }

  /// The stream is a pipe or socket whose other end is closed.
  static var readerHasGone: Bool {
    var request = pollfd(fd: 1, events: 0, revents: 0)
    return poll(&request, 1, 0) == 1 && request.revents & Int16(POLLERR | POLLHUP) != 0
  }

  /// - Throws: `CommandFailure` if some output could not be written.
  static func check() throws {
    let errno = failure.load(ordering: .relaxed)
    guard errno != 0 else { return }
    throw CommandFailure("Standard output could not be written: \(Errno(errno))")
  }
}

enum StandardError {
  static func print(_ text: String) {
    try? Files.writeAll(2, Array((Paragraph.printableLines(text) + "\n").utf8))
  }
}

enum StandardInput {
  /// Whether a user may type an answer.
  static var isTerminal: Bool { isatty(0) == 1 }
}

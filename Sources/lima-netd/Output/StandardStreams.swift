// SPDX-License-Identifier: Apache-2.0
//
// StandardOutput, StandardError: what a command says, and notes beside it. Unbuffered: a line is out when print
// returns, also when the process then waits for hours. Control characters of what others wrote, a file or an argument, reach no
// terminal by it. A reader that has gone is not an error; a disk that is full is one of
// the command, which `check` tells at its end.

import LibC
import Platform
import Synchronization

/// Closes the ways out that are pipes, for a command that has said all and now stays: whoever captures its output
/// waits for their end. Files and terminals stay.
enum StandardStreams {
  static func letGoOfPipes() { letGo(onlyPipes: true) }

  /// All of them, for a command that goes on in the background.
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
  /// The first errno with which a write failed, but EPIPE; 0: none did. Like stdio's ferror(3), of the stream, so of the process.
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

  /// It is a pipe or a socket whose other end is closed.
  static var readerHasGone: Bool {
    var request = pollfd(fd: 1, events: 0, revents: 0)
    return poll(&request, 1, 0) == 1 && request.revents & Int16(POLLERR | POLLHUP) != 0
  }

  /// - Throws: `CommandFailure` when something that was printed did not arrive.
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
  /// Somebody may type an answer.
  static var isTerminal: Bool { isatty(0) == 1 }
}

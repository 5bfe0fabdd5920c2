// SPDX-License-Identifier: Apache-2.0
//
// StandardOutput, StandardError: what a command says, and notes beside it. Unbuffered: a line is out when print
// returns, also when the process then waits for hours. A reader that has gone is not an error.

import Platform

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Closes the ways out that are pipes, for a command that has said all and now stays: whoever captures its output
/// waits for their end. Files and terminals stay.
enum StandardStreams {
  static func letGoOfPipes() {
    for fd: Int32 in [1, 2] {
      var status = stat()
      guard fstat(fd, &status) == 0, status.st_mode & S_IFMT == S_IFIFO else { continue }
      let null = open("/dev/null", O_WRONLY | O_CLOEXEC)
      guard null >= 0 else { return }
      dup2(null, fd)
      if null != fd { close(null) }
    }
  }
}

enum StandardOutput {
  static func print(_ text: String, terminator: String = "\n") {
    try? Files.writeAll(1, Array((text + terminator).utf8))
  }
}

enum StandardError {
  static func print(_ text: String) {
    try? Files.writeAll(2, Array((text + "\n").utf8))
  }
}

enum StandardInput {
  /// Somebody may type an answer.
  static var isTerminal: Bool { isatty(0) == 1 }
}

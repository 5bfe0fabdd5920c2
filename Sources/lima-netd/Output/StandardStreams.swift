// SPDX-License-Identifier: Apache-2.0
//
// StandardOutput, StandardError: what a command says, and notes beside it. Unbuffered: a line is out when print
// returns, also when the process then waits for hours. A reader that has gone is not an error.

import Platform

enum StandardOutput {
  static func print(_ text: String) {
    try? Files.writeAll(1, Array((text + "\n").utf8))
  }
}

enum StandardError {
  static func print(_ text: String) {
    try? Files.writeAll(2, Array((text + "\n").utf8))
  }
}

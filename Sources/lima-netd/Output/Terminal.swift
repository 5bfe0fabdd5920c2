// SPDX-License-Identifier: Apache-2.0
//
// Terminal: how wide what is printed may be.

import LibC

enum Terminal {
  /// Columns of the terminal that standard output is; nil: it is none, and lines may be as long as they get.
  static let columns: Int? = {
    var size = winsize()
    guard isatty(1) == 1, ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
      return nil
    }
    return max(40, Int(size.ws_col))
  }()
}

// SPDX-License-Identifier: Apache-2.0
//
// DeviceFile: whether this process may open a device for reading and writing. A file of another type is not opened:
// opening a pipe or a terminal can block or have side effects.

import LibC

package enum DeviceFile {
  /// - Throws: the reason why it cannot be opened.
  package static func tryOpening(_ path: String) throws(SystemError) {
    let there = try Files.info(path)
    guard there.kind == .device else {
      throw SystemError(
        "open", .invalidArgument, subject: path,
        detail: "\(there.kind.words) is there, not a device")
    }
    let fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    Descriptor.close(fd)
  }
}

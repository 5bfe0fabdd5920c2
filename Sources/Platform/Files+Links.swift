// SPDX-License-Identifier: Apache-2.0
//
// Where a symbolic link leads.

import LibC

extension Files {
  /// The text of the link; EINVAL when `path` is not a link. Cut at PATH_MAX.
  package static func linkTarget(_ path: String) throws(SystemError) -> String {
    try refuseNUL(path, "readlink")
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { buffer in
      buffer.baseAddress.map {
        readlink(path, $0.assumingMemoryBound(to: CChar.self), buffer.count)
      } ?? 0
    }
    guard count >= 0 else { throw SystemError("readlink", .current, subject: path) }
    return String(decoding: bytes.prefix(count), as: UTF8.self)
  }
}

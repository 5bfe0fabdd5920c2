// SPDX-License-Identifier: Apache-2.0
//
// QEMUCapabilities: what of `-netdev` a QEMU knows, by its version. Pure.

package struct QEMUCapabilities: Sendable, Hashable {
  /// `-netdev stream` (7.2).
  package var stream: Bool
  /// What makes a stream connect again after the network's process had to close it; "" before 8.0.
  package var reconnect: String

  /// - Parameter version: nil: not known, so nothing is assumed that is not in every QEMU that has `stream`.
  package init(version: (major: Int, minor: Int)?) {
    guard let version else {
      (stream, reconnect) = (true, "")
      return
    }
    stream = version >= (7, 2)
    reconnect = version >= (9, 2) ? "reconnect-ms=500" : version >= (8, 0) ? "reconnect=1" : ""
  }

  /// Of a QEMU of today.
  package static let newest = QEMUCapabilities(version: (9, 2))

  /// Of "QEMU emulator version 7.2.22 (Debian ...)", as `--version` prints it.
  package static func version(in text: String) -> (major: Int, minor: Int)? {
    guard let found = text.firstRange(of: "version ") else { return nil }
    let numbers = text[found.upperBound...].prefix { $0.isNumber || $0 == "." }.split(
      separator: ".")
    guard numbers.count >= 2, let major = Int(numbers[0]), let minor = Int(numbers[1]) else {
      return nil
    }
    return (major, minor)
  }
}

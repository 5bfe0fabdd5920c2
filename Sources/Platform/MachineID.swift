// SPDX-License-Identifier: Apache-2.0
//
// MachineID: the identifier of this machine that Lima uses; the MAC addresses of its instances are derived from it.

import LibC

package enum MachineID {
  /// macOS: IOPlatformUUID. Elsewhere the first of the two files that can be read. The host's name when that is empty.
  package static var current: String {
    #if canImport(Darwin)
      var bytes = [UInt8](repeating: 0, count: 16)
      var patience = timespec(tv_sec: 1, tv_nsec: 0)
      if gethostuuid(&bytes, &patience) == 0 {
        let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
        return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { digits[$0].joined() }
          .joined(separator: "-")
      }
    #else
      for file in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        guard let bytes = try? Files.read(file, limit: 4096) else { continue }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let first = text.firstIndex(where: { !$0.isWhitespace }),
          let last = text.lastIndex(where: { !$0.isWhitespace })
        else { break }
        return String(text[first...last])
      }
    #endif
    return hostName
  }

  private static var hostName: String {
    var name = [CChar](repeating: 0, count: 256)
    guard gethostname(&name, 255) == 0 else { return "localhost" }
    return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// TapAlias: the text that lima-netd-tap stores as the alias of an interface it creates, which only root can set:
// "lima-netd port of br-int of /home/alice/.lima"; absent parts are left out. Pure.

package struct TapAlias: Sendable, Hashable {
  /// The Open vSwitch bridge of which it is to be a port.
  package var bridge: String?
  /// The Lima home that it was created for.
  package var home: String?

  /// - Parameter text: any alias; other software's parse to no bridge and no home.
  package init(_ text: String) {
    let program = "lima-netd"
    guard text.hasPrefix(program) else { return }
    var rest = text.dropFirst(program.count)
    // Neither a bridge's name nor an encoded home contains a blank.
    for (key, path) in [(" port of ", \TapAlias.bridge), (" of ", \TapAlias.home)] {
      guard rest.hasPrefix(key) else { continue }
      let word = rest.dropFirst(key.count).prefix { $0 != " " }
      guard !word.isEmpty else { return }
      self[keyPath: path] = String(word)
      rest = rest.dropFirst(key.count + word.count)
    }
    home = home.flatMap(Self.decoded)
  }

  /// Maximum bytes of an encoded home; the same as lima-netd-tap's (Sources/lima-netd-tap/tap.h, HOME_MAX).
  private static let most = 180

  /// An encoded home: every byte other than a letter, digit or one of "/._-+" as =XX, so that neither a terminal nor
  /// a systemd unit interprets it. Nil: it is too long, or not a path.
  package static func encoded(_ home: String) -> String? {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in home.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: bytes.append(byte)
      case _ where "/._-+".utf8.contains(byte): bytes.append(byte)
      default: bytes += [UInt8(ascii: "="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    guard bytes.first == UInt8(ascii: "/"), bytes.count <= most else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func decoded(_ text: String) -> String? {
    guard text.first == "/" else { return nil }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "=") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

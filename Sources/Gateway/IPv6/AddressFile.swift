// SPDX-License-Identifier: Apache-2.0
//
// AddressFile: the stations' IPv6 addresses in a file, so that after a restart of the network's process addresses stay
// reserved for their stations before those have sent anything. A line per address: "fd00::1 52:55:55:00:00:01". Not written
// if the directory is "". At most as many lines as a link may have addresses. Written without fsync.

import NetStack
import Platform
import Wire

struct AddressFile: Sendable {
  struct Line: Equatable {
    var address: IPAddress
    var mac: MACAddress
  }

  private static let maximumBytes = 1 << 20
  private let path: String?
  private var written = ""

  init(directory: String, file: String) {
    path = directory.isEmpty ? nil : "\(directory)/\(file)"
  }

  /// Invalid lines are ignored; an unreadable file is empty.
  func read() -> [Line] {
    guard let path, Files.exists(path),
      let bytes = try? Files.read(path, limit: Self.maximumBytes)
    else { return [] }
    return Self.parse(String(decoding: bytes, as: UTF8.self))
  }

  mutating func write(_ entries: [GuestAddresses.Entry]) throws(SystemError) {
    guard let path else { return }
    let text = Self.text(entries)
    guard text != written else { return }
    try Files.write(Array(text.utf8), to: path, mode: 0o644)
    written = text
  }

  /// Tentative addresses are not written.
  static func text(_ entries: [GuestAddresses.Entry]) -> String {
    entries.lazy.filter { !$0.isTentative }.map { "\($0.address) \($0.mac)\n" }.joined()
  }

  static func parse(_ text: String) -> [Line] {
    text.split(separator: "\n").prefix(GuestAddresses.perLink).compactMap { line in
      let words = line.split(separator: " ")
      guard words.count == 2, let address = IPAddress(words[0]), !address.isV4,
        let mac = MACAddress(String(words[1])), mac.isUnicast
      else { return nil }
      return Line(address: address, mac: mac)
    }
  }
}

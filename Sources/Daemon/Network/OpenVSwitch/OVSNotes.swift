// SPDX-License-Identifier: Apache-2.0
//
// OVSNotes: the file in which the daemon notes the TAPs that it makes ports of Open vSwitch: a name a line. It is written
// before a port is added and after it is removed. A file that cannot be read or written costs no network anything but the
// cleaning up after a daemon that was killed.

import Platform

final class OVSNotes {
  private let path: String
  private var names: Set<String> = []

  /// More than a host has networks.
  private static let most = 1024

  init(_ path: String) { self.path = path }

  /// Reads what an earlier daemon has noted.
  func load() {
    let bytes = (try? Files.read(path, limit: Self.most * 16)) ?? []
    // Whatever else stands there is not ours to remove.
    names.formUnion(
      bytes.split(separator: UInt8(ascii: "\n")).prefix(Self.most)
        .map { String(decoding: $0, as: UTF8.self) }
        .filter { $0.hasPrefix("ln") && BridgeCheck.isName($0) })
  }

  var all: Set<String> { names }

  func insert(_ name: String) {
    guard names.count < Self.most, names.insert(name).inserted else { return }
    write()
  }

  func remove(_ name: String) {
    guard names.remove(name) != nil else { return }
    write()
  }

  private func write() {
    guard !names.isEmpty else { return Files.remove(path) }
    let text = names.sorted().map { $0 + "\n" }.joined()
    try? Files.write(Array(text.utf8), to: path, mode: 0o644)
  }
}

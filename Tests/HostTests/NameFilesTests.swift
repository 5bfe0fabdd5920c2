// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import Host

@Suite("Files that say how the host finds names", .timeLimit(.minutes(5)))
struct NameFilesTests {
  @Test("a change, a new file and a link's new target are seen, once, and not looked for too often")
  func changes() throws {
    let folder = NSTemporaryDirectory() + "name-files-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = folder + "/resolv.conf"
    func link(to target: String) throws {
      try? FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }
    for (name, text) in [("a", "nameserver 192.0.2.1\n"), ("b", "nameserver 192.0.2.2\n")] {
      try text.write(toFile: folder + "/" + name, atomically: false, encoding: .utf8)
    }
    try link(to: folder + "/a")
    var now: UInt64 = 5_000_000_000
    var files = NameFiles([path])
    func look() -> Bool {
      now += NameFiles.interval
      return files.changed(now: now)
    }
    #expect(!look())
    try link(to: folder + "/b")
    let isEarly = files.changed(now: now + NameFiles.interval - 1)
    #expect(!isEarly)
    #expect(look())
    #expect(!look())
    try "nameserver 192.0.2.33\n".write(
      toFile: folder + "/b", atomically: true, encoding: .utf8)
    #expect(look())
    try FileManager.default.removeItem(atPath: path)
    #expect(look())
    #expect(!look())
    try link(to: folder + "/a")
    #expect(look())
  }
}

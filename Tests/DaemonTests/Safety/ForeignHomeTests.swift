// SPDX-License-Identifier: Apache-2.0
//
// What root makes of the networks.yaml in somebody else's home.

import LibC
import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct ForeignHomeTests {
  /// A home that is not root's, whoever runs the tests.
  private func withHome(_ body: (LimaHome) throws -> Void) throws {
    let path = FileManager.default.temporaryDirectory.path + "/fh\(UInt32.random(in: 0 ... .max))"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try FileManager.default.createDirectory(
      atPath: path + "/_config", withIntermediateDirectories: true)
    if getuid() == 0 { for file in [path, path + "/_config"] { chown(file, 65534, 65534) } }
    try body(LimaHome(path: path))
  }

  @Test func `root follows no link in a home that is not root's, others follow theirs`() throws {
    try withHome { home in
      #expect(ForeignHome.flaw(of: home, isRoot: true) == nil)
      try FileManager.default.createSymbolicLink(
        atPath: home.configFile, withDestinationPath: "/etc/hostname")
      let flaw = ForeignHome.flaw(of: home, isRoot: true)
      #expect("\(flaw, default: "none")" == "file `\(home.configFile)` is a symlink")
      #expect(ForeignHome.flaw(of: home, isRoot: false) == nil)
      try FileManager.default.removeItem(atPath: home.path + "/_config")
      try FileManager.default.createSymbolicLink(
        atPath: home.path + "/_config", withDestinationPath: "/etc")
      #expect(ForeignHome.flaw(of: home, isRoot: true) != nil)
    }
  }

  @Test func `a home of root's own is read as it is`() throws {
    guard getuid() == 0 else { return }
    try withHome { home in
      chown(home.path, 0, 0)
      chown(home.path + "/_config", 0, 0)
      #expect(ForeignHome.owner(of: home, isRoot: true) == nil)
      let configuration = try ForeignHome.configuration(home)
      #expect(!configuration.present)
    }
  }
}

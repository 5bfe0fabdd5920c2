// SPDX-License-Identifier: Apache-2.0

import LibC
import Platform
import Testing

@testable import Daemon

@Suite("networks.yaml is watched", .serialized, .ownThread, .timeLimit(.minutes(1)))
struct ConfigWatcherTests {
  private static let two = "networks:\n  lab: {mode: fake}\n  new: {mode: fake}\n"

  @Test func `a network that is written into the file is served without a signal`() throws {
    let fixture = try Fixture()
    try Fixture.write(fixture.home.configFile, Self.two)
    #expect(fixture.until { fixture.supervisor.networks["new"]?.listeners.isOpen == true })
    try Fixture.write(fixture.home.configFile, Fixture.oneNetwork())
    #expect(fixture.until { fixture.supervisor.networks["new"] == nil })
  }

  @Test func `a file that is renamed into its place counts`() throws {
    let fixture = try Fixture()
    let other = fixture.home.configDirectory + "/networks.yaml.new"
    try Fixture.write(other, Self.two)
    try Files.rename(other, to: fixture.home.configFile)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
  }

  @Test func `the first file of a home without one counts, and so does its end`() throws {
    let fixture = try Fixture(config: nil)
    #expect(fixture.supervisor.networks["new"] == nil)
    try Fixture.write(fixture.home.configFile, Self.two)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
    Files.remove(fixture.home.configFile)
    #expect(fixture.until { fixture.supervisor.networks["new"] == nil })
    #expect(fixture.supervisor.networks["default"] != nil)
  }

  @Test func `a directory that is removed and made again is watched again`() throws {
    let fixture = try Fixture()
    Files.remove(fixture.home.configFile)
    Files.removeDirectory(fixture.home.configDirectory)
    #expect(fixture.until { fixture.supervisor.networks["lab"] == nil })
    try Fixture.write(fixture.home.configFile, Self.two)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
  }

  @Test func `a link's target counts, and so does another target`() throws {
    let fixture = try Fixture(config: nil, start: false)
    let (first, second) = (fixture.root + "/dots/first.yaml", fixture.root + "/other/second.yaml")
    try Fixture.write(first, Fixture.oneNetwork())
    try Files.makeDirectory(fixture.home.configDirectory, mode: 0o755)
    #expect(symlink(first, fixture.home.configFile) == 0)
    try fixture.supervisor.start()
    #expect(fixture.supervisor.networks["new"] == nil)
    try Fixture.write(first, Self.two)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
    try Fixture.write(second, Fixture.oneNetwork())
    #expect(unlink(fixture.home.configFile) == 0)
    #expect(symlink(second, fixture.home.configFile) == 0)
    #expect(fixture.until { fixture.supervisor.networks["new"] == nil })
    #expect(fixture.supervisor.networks["lab"] != nil)
  }

  @Test func `a file is not read before its writer closes it`() throws {
    let fixture = try Fixture()
    let fd = try Files.openForAppending(fixture.home.configFile, mode: 0o644)
    try Files.writeAll(fd, Array("  new:\n".utf8))
    fixture.pass(0.4)
    #expect(fixture.supervisor.configuration.error == nil)
    try Files.writeAll(fd, Array("    mode: fake\n".utf8))
    Descriptor.close(fd)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
  }

  @Test func `a mistake leaves what holds, and its correction holds at once`() throws {
    let fixture = try Fixture()
    try Fixture.write(fixture.home.configFile, "networks:\n  lab:\n    mod: fake\n")
    #expect(fixture.until { fixture.supervisor.configuration.error != nil })
    #expect(fixture.supervisor.networks["lab"] != nil)
    try Fixture.write(fixture.home.configFile, Self.two)
    #expect(fixture.until { fixture.supervisor.networks["new"] != nil })
    #expect(fixture.supervisor.configuration.error == nil)
  }

  @Test func `events that are cut short end the list without a trap`() {
    #if os(Linux)
      let whole: [UInt8] = [
        1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0x61, 0, 0, 0, 2, 0, 0, 0, 8,
      ]
      for length in 0...whole.count {
        let events = DirectoryWatch.parse(whole[..<length])
        #expect(events.count == (length >= 20 ? 1 : 0))
      }
      #expect(DirectoryWatch.parse(whole[...]).first?.name == "a")
    #endif
  }
}

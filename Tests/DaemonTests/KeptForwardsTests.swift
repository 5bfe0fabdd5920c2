// SPDX-License-Identifier: Apache-2.0
//
// Forwards of `forward add`, which outlive the daemon.

import HostProtocol
import Platform
import TestSupport
import Testing

@testable import Daemon

@Suite("Kept forwards", .serialized, .ownThread, .timeLimit(.minutes(2)))
struct KeptForwardsTests {
  private func add(_ fixture: Fixture, _ port: Int, temporary: Bool? = nil) throws -> Forward {
    let answer: Result<Forward, ErrorReport> = try fixture.result {
      try await fixture.supervisor.addForward(
        "lab",
        Forward(
          protocol: "tcp", host: "127.0.0.1:\(port)", guest: "10.0.0.9:80", temporary: temporary))
    }
    return try answer.get()
  }

  private func kept(_ path: String) -> [String] {
    var complaints: [String] = []
    let kept = KeptForwards(path: path) { complaints.append($0) }
    kept.load()
    #expect(complaints.isEmpty)
    return kept.forwards(of: "lab").map(\.host)
  }

  @Test func `those that are not temporary are in the file until they are removed`() throws {
    let fixture = try Fixture()
    #expect(try add(fixture, 18081).temporary == nil)
    #expect(try add(fixture, 18082, temporary: true).temporary == true)
    let chosen = try add(fixture, 0).host
    let path = fixture.home.forwardsFile
    #expect(kept(path) == ["127.0.0.1:18081", chosen] && chosen != "127.0.0.1:0")
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await fixture.supervisor.removeForward(
        "lab", Forward(protocol: "tcp", host: "127.0.0.1:18081", guest: nil))
    }
    #expect((try? removed.get()) != nil)
    #expect(kept(path) == [chosen])
  }

  @Test func `the next daemon lists them, and opens them when the network starts`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.home.forwardsFile
    try Files.makeDirectory(fixture.home.networksDirectory, mode: 0o700)
    let before = KeptForwards(path: path) { _ in }
    before.add(Forward(protocol: "tcp", host: "127.0.0.1:18083", guest: "10.0.0.9:80"), to: "lab")
    before.add(Forward(protocol: "tcp", host: "127.0.0.1:18084", guest: "10.0.0.9:80"), to: "away")
    try fixture.supervisor.start()
    let network = try fixture.network()
    #expect(network.forwards.listed.map(\.host) == ["127.0.0.1:18083"])
    #expect(network.forwards.listed.first?.reason == "network lab is stopped")
    network.start()
    #expect(fixture.until { fixture.requests().contains("expose 127.0.0.1:18083") })
    // A network that is away keeps its own.
    let next = KeptForwards(path: path) { _ in }
    next.load()
    #expect(next.forwards(of: "away").count == 1)
  }

  @Test func `a file with rubbish in it keeps what makes sense, and says so`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/kept"
    let good =
      #"{"network":"lab","add":{"protocol":"tcp","host":"127.0.0.1:1","guest":"10.0.0.9:80"}}"#
    try Fixture.write(
      path,
      [
        "rubbish", good, #"{"network":"../x","add":{"host":"127.0.0.1:2","guest":"10.0.0.9:80"}}"#,
        #"{"network":"lab","add":{"protocol":"tcp","host":"","guest":""}}"#,
        #"{"network":"lab","ad"#,
      ].joined(separator: "\n"))
    var complaints: [String] = []
    let kept = KeptForwards(path: path) { complaints.append($0) }
    kept.load()
    #expect(kept.forwards(of: "lab").map(\.host) == ["127.0.0.1:1"])
    #expect(complaints.count == 1)
    // It was written anew: a torn line does not spoil the next one.
    kept.add(Forward(protocol: "tcp", host: "127.0.0.1:3", guest: "10.0.0.9:80"), to: "lab")
    #expect(self.kept(path) == ["127.0.0.1:1", "127.0.0.1:3"])
  }

  private func forward(_ port: Int) -> Forward {
    Forward(protocol: "tcp", host: "127.0.0.1:\(port)", guest: "10.0.0.9:80")
  }

  @Test func `what was removed stays removed, however many came and went`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/kept"
    func line(_ key: String, _ port: Int) -> String {
      #"{"network":"lab","\#(key)":{"protocol":"tcp","host":"127.0.0.1:\#(port)","guest":"10.0.0.9:80"}}"#
    }
    var lines: [String] = [line("add", 1)]
    for _ in 0..<20_000 { lines += [line("add", 2), line("remove", 2)] }
    lines += [line("add", 3), line("remove", 1)]
    try Fixture.write(path, lines.joined(separator: "\n"))
    #expect(kept(path) == ["127.0.0.1:3"])
    // In the life of one daemon the file stays in proportion to what it keeps.
    let writer = KeptForwards(path: path) { _ in }
    writer.load()
    for _ in 0..<2000 {
      writer.add(forward(2), to: "lab")
      writer.remove(forward(2), from: "lab")
    }
    #expect(try Files.info(path).size < 128 << 10)
    #expect(kept(path) == ["127.0.0.1:3"])
  }

  @Test func `a network keeps no more than it can have, and says so`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/kept"
    let lines = (1...KeptForwards.maximum + 1).map {
      #"{"network":"lab","add":{"protocol":"tcp","host":"127.0.0.1:\#($0)","guest":"10.0.0.9:80"}}"#
    }
    try Fixture.write(path, lines.joined(separator: "\n"))
    var complaints: [String] = []
    let kept = KeptForwards(path: path) { complaints.append($0) }
    kept.load()
    #expect(kept.forwards(of: "lab").count == KeptForwards.maximum)
    #expect(complaints.count == 1)
  }

  @Test func `half a line of a full disk costs the next forward nothing`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/kept"
    let writer = KeptForwards(path: path) { _ in }
    writer.add(forward(1), to: "lab")
    // The limit of a file's size stops a write in its middle, as a full disk does.
    let size = Int(try Files.info(path).size)
    #expect(
      ResourceLimit.fileSize.lowered(to: size + 20) { writer.add(forward(2), to: "lab") } != nil)
    #expect(writer.trouble != nil)
    writer.add(forward(3), to: "lab")
    #expect(writer.trouble == nil)
    #expect(kept(path) == ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"])
  }

  @Test func `a file that cannot be read is put aside and told`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/kept"
    try Files.makeDirectory(path, mode: 0o700)
    var complaints: [String] = []
    let kept = KeptForwards(path: path) { complaints.append($0) }
    kept.load()
    #expect(complaints.count == 1 && complaints[0].contains(path + ".unread"), "\(complaints)")
    kept.add(forward(1), to: "lab")
    #expect(self.kept(path) == ["127.0.0.1:1"])
  }
}

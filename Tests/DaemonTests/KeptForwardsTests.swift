// SPDX-License-Identifier: Apache-2.0
//
// Forwards of `forward add`, which outlive the daemon.

import HostProtocol
import Platform
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
}

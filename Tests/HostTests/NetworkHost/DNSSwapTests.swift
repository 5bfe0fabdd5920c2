// SPDX-License-Identifier: Apache-2.0
//
// Another DNS plugin for a network that runs.

import LibC
import DNSMessage
import HostProtocol
import JSONCoding
import Platform
import Testing

@testable import Host

@Suite(.serialized, .timeLimit(.minutes(5))) struct DNSSwapTests {
  /// Answers REFUSED, whatever is asked.
  static let refusing = Result {
    try Fixture(file: "mirror.c", as: "lima-dns-refusing.so", flags: ["-DMIRROR_CODE=5"])
  }
  private static let failing = Result {
    try Fixture(
      file: "mirror.c", as: "lima-dns-failing.so", flags: ["-DMIRROR_CODE=5", "-DMIRROR_FAILS"])
  }

  static func spec(_ file: Fixture) -> DNSSpec {
    DNSSpec(plugin: PluginRef(file: file.path, name: "mirror"))
  }

  private func running() throws -> RunningHost {
    try RunningHost.running(
      NetworkHostTests.echo.get(), dns: NetworkHostTests.mirror.get())
  }

  private func query(_ name: String) throws -> HostRequest {
    let name = try #require(DNSName(name))
    let message = DNSMessage(query: DNSQuestion(name: name, type: .a), id: 7)
    return .resolve(ResolveSpec(message: Base64.encode(message.encoded())))
  }

  private func code(_ reply: HostReply) throws -> DNSResponseCode {
    guard case .resolved(let resolved) = reply, let bytes = Base64.decode(resolved.message) else {
      throw RunningHost.Failure(description: "\(reply)")
    }
    return try DNSMessage(parsing: bytes).responseCode
  }

  @Test func anotherPluginAnswersAndThePortsStay() throws {
    let host = try running()
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(try code(host.request(query("a.example"))) == .noError)
    #expect(try host.request(.setDNS(Self.spec(Self.refusing.get()))) == .ok)
    #expect(try code(host.request(query("a.example"))) == .refused)
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    let status = try host.status()
    #expect(
      status.modules.map(\.file) == [
        try NetworkHostTests.echo.get().path, try Self.refusing.get().path,
      ])
    #expect(host.log.contains("mirror destroyed"))
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0))
  }

  @Test func questionsUnderWayAreAskedAgain() throws {
    let host = try running()
    // Never answered by the first one.
    let asked = try host.send(query("x.example"))
    let swapped = try host.send(.setDNS(Self.spec(Self.refusing.get())))
    var replies: [UInt64: HostReply] = [:]
    while replies.count < 2 {
      if case .reply(let id, let reply) = try host.receive(timeout: 3000) { replies[id] = reply }
    }
    #expect(replies[swapped] == .ok)
    #expect(try code(#require(replies[asked])) == .refused)
  }

  /// The order of the replies tells, not a clock.
  @Test func whileAPluginsLongFileIsReadTheLoopGoesOn() throws {
    let long = try Fixture(file: "mirror.c", as: "lima-dns-long.so", flags: ["-DMIRROR_CODE=5"])
    // What is behind the last section of an ELF file is nobody's.
    #expect(truncate(long.path, 64 << 20) == 0)
    let host = try running()
    let swapped = try host.send(.setDNS(Self.spec(long)))
    let looked = try host.send(.status)
    var order: [UInt64] = []
    while order.count < 2 {
      if case .reply(let id, let reply) = try host.receive(timeout: 60_000) {
        order.append(id)
        if id == swapped { #expect(reply == .ok) }
      }
    }
    #expect(order == [looked, swapped])
    #expect(try code(host.request(query("a.example"))) == .refused)
  }

  @Test func aPluginThatCannotBeLeavesTheOneBefore() throws {
    let host = try running()
    #expect(
      try host.request(.setDNS(Self.spec(Self.failing.get())))
        == .failed(
          HostError(
            .invalidConfig, "not to its taste", jsonPointer: "/taste", plugin: "mirror")))
    #expect(host.log.contains("the network's DNS is not changed, mirror stays"))
    let missing = DNSSpec(plugin: PluginRef(file: "/nowhere/lima-dns-x.so", name: "x"))
    guard case .failed(let error) = try host.request(.setDNS(missing)) else {
      return #expect(Bool(false), "it was loaded")
    }
    #expect(error.message.contains("/nowhere/lima-dns-x.so cannot be loaded"))
    #expect(try code(host.request(query("a.example"))) == .noError)
    #expect(!host.log.contains("mirror destroyed"))
  }

  @Test func anAnswerSaysWhoGaveIt() throws {
    let host = try running()
    func source(_ name: String) throws -> String? {
      guard case .resolved(let resolved) = try host.request(query(name)) else { return nil }
      return resolved.source
    }
    let names = NameSet(owner: "test", hosts: ["db.internal": ["10.0.0.5"]])
    #expect(try host.request(.setNames(names)) == .ok)
    #expect(try source("db.internal") == "names")
    #expect(try source("a.example") == "mirror")
    // Names outlive a change of the plugin.
    #expect(try host.request(.setDNS(Self.spec(Self.refusing.get()))) == .ok)
    #expect(try source("db.internal") == "names")
  }

  @Test func theSamePluginAgainIsAnotherInstance() throws {
    let host = try running()
    _ = try host.request(query("a.example"))
    #expect(try host.request(.setDNS(Self.spec(NetworkHostTests.mirror.get()))) == .ok)
    #expect(try host.status().dnsPlugin?["asked"]?.integer() == 0)
    #expect(try code(host.request(query("a.example"))) == .noError)
  }

  @Test func aPluginHasTheHostForgetWhileItAnswersAndNotAfterwards() throws {
    let host = try running()
    func flushes() throws -> Int? {
      try host.status().dns?["cache"]?["flushes"]?.integer()
    }
    let before = try #require(try flushes())
    _ = try host.request(query("a.example"))
    #expect(try flushes() == before)
    _ = try host.request(query("f.example"))
    #expect(try flushes() == before + 1)
    // It flushes when it is stopped, too: what is kept by then is the next one's.
    #expect(try host.request(.setDNS(Self.spec(Self.refusing.get()))) == .ok)
    #expect(try flushes() == before + 2)
  }

  @Test func aFileThatWasReplacedIsNotTakenForItsOldCode() throws {
    let old = try Fixture(file: "mirror.c", as: "lima-dns-again.so")
    let host = try RunningHost.running(NetworkHostTests.echo.get(), dns: old)
    // As an installation replaces it: another file under the same name.
    unlink(old.path)
    try Fixture.write(Fixture.read(Self.refusing.get().path), to: old.path)
    guard case .failed(let error) = try host.request(.setDNS(Self.spec(old))) else {
      return #expect(Bool(false), "it was taken")
    }
    #expect(error.message.contains("replaced after this network loaded it"))
    #expect(try code(host.request(query("a.example"))) == .noError)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Uses unbound on loopback (Debian: apt-get install unbound openssl).

import Foundation
import LimaNetdSDK
import PluginAPI
import Testing

@testable import DNSTLSCore

@Suite(.serialized) struct TLSResolverTests {
  /// A running plugin with its host.
  private final class Running {
    let host = TestHost()
    let plugin: TLSResolver
    private var lastOp: lnd_op = 0

    init(_ options: JSONValue) throws {
      plugin = try TLSResolver(
        host: host.context, config: DNSConfig(network: "test", options: Options(options)))
      try plugin.start()
    }

    func ask(_ name: String, seconds: Double = 5) -> lnd_op {
      lastOp += 1
      var query: [UInt8] = [0xAB, UInt8(lastOp & 255), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
      for label in name.split(separator: ".") { query += [UInt8(label.utf8.count)] + label.utf8 }
      query += [0, 0, 1, 0, 1]
      let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(seconds * 1e9)
      query.withUnsafeBytes {
        plugin.resolve(lastOp, DNSQuery(transport: LND_DNS_UDP, message: $0, deadline: deadline))
      }
      return lastOp
    }

    /// The last octets of the answer, which are its address; empty after a failure.
    func address(_ op: lnd_op) throws -> [UInt8] {
      guard host.run(plugin, until: { self.host.results[op] != nil }), let result = host.results[op]
      else {
        throw Failure(description: "no answer came")
      }
      guard result.status == LND_OK else { return [] }
      #expect(result.bytes.prefix(2) == [0xAB, UInt8(op & 255)])
      return Array(result.bytes.suffix(4))
    }

    /// The answer's response code; nil after a failure.
    func code(_ op: lnd_op) throws -> Int? {
      _ = try address(op)
      guard let result = host.results[op], result.status == LND_OK else { return nil }
      return Int(result.bytes[3] & 0x0F)
    }

    /// The reason of the failure.
    func reason(_ op: lnd_op, _ location: SourceLocation = #_sourceLocation) throws -> String {
      #expect(try address(op).isEmpty, "it was answered", sourceLocation: location)
      return String(decoding: host.results[op]?.bytes ?? [], as: UTF8.self)
    }

    var connections: Int? {
      plugin.status(1)
      let all = host.written.components(separatedBy: "\"connections\":").last ?? ""
      return Int(all.prefix { $0.isNumber })
    }

    func stop() {
      plugin.stop(9999)
      #expect(host.run(plugin, until: { self.host.results[9999] != nil }))
    }
  }

  private func options(
    _ servers: [String], _ certificates: Certificates?, timeout: Int = 1, idle: Int = 30
  ) -> JSONValue {
    var members: JSONObject = [
      "servers": .array(servers.map(JSONValue.string)), "timeout": JSONValue(timeout),
      "idle": JSONValue(idle),
    ]
    if let certificates { members["caFile"] = .string(certificates.authority) }
    return .object(members)
  }

  @Test func aHundredQuestionsShareOneConnection() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let server = try Unbound(certificates, address: "192.0.2.7")
    let running = try Running(options(["127.0.0.1:\(server.port)#dns.test"], certificates))
    let ops = (0..<100).map { running.ask("n\($0).lab.test") }
    for (index, op) in ops.enumerated() {
      #expect(try running.address(op) == [192, 0, 2, UInt8(index + 1)])
    }
    #expect(running.connections == 1)
    running.stop()
  }

  @Test func theCertificateMustBeForTheNameOrTheAddress() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let server = try Unbound(certificates, address: "192.0.2.7")
    let byAddress = try Running(options(["127.0.0.1:\(server.port)"], certificates))
    #expect(try byAddress.address(byAddress.ask("who.lab.test")) == [192, 0, 2, 7])
    byAddress.stop()
    // The system's authorities do not include the test's.
    let untrusted = try Running(options(["127.0.0.1:\(server.port)#dns.test"], nil))
    #expect(try untrusted.reason(untrusted.ask("who.lab.test")).contains("127.0.0.1"))
    untrusted.stop()
  }

  @Test func aCertificateForAnotherNameIsRefused() throws {
    let certificates = try Certificates(for: "DNS:dns.test")
    defer { certificates.remove() }
    let server = try Unbound(certificates, address: "192.0.2.7")
    let right = try Running(options(["127.0.0.1:\(server.port)#dns.test"], certificates))
    #expect(try right.address(right.ask("who.lab.test")) == [192, 0, 2, 7])
    right.stop()
    let otherName = try Running(options(["127.0.0.1:\(server.port)#other.test"], certificates))
    #expect(try otherName.reason(otherName.ask("who.lab.test")).contains("127.0.0.1"))
    otherName.stop()
    let byAddress = try Running(options(["127.0.0.1:\(server.port)"], certificates))
    #expect(try byAddress.reason(byAddress.ask("who.lab.test")).contains("127.0.0.1"))
    byAddress.stop()
  }

  @Test func theNextServerIsAskedWhenOneIsDeadOrSilent() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let server = try Unbound(certificates, address: "192.0.2.8")
    let silent = try SilentServer()
    let running = try Running(
      options(
        [
          "127.0.0.1:\(Unbound.freePort())#dns.test", "127.0.0.1:\(silent.port)#dns.test",
          "127.0.0.1:\(server.port)#dns.test",
        ], certificates))
    #expect(try running.address(running.ask("who.lab.test")) == [192, 0, 2, 8])
    // From now on the healthy server is tried first.
    let began = Date()
    #expect(try running.address(running.ask("who.lab.test")) == [192, 0, 2, 8])
    #expect(Date().timeIntervalSince(began) < 0.9)
    running.stop()
  }

  @Test(arguments: [2, 4, 5])
  func anotherServerIsAskedWhenOneDoesNotKnow(code: Int) throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let bad = try CodeServer(certificates, code: code)
    let server = try Unbound(certificates, address: "192.0.2.8")
    let running = try Running(
      options(
        ["127.0.0.1:\(bad.port)#dns.test", "127.0.0.1:\(server.port)#dns.test"], certificates))
    for _ in 0..<2 { #expect(try running.address(running.ask("who.lab.test")) == [192, 0, 2, 8]) }
    running.stop()
    // NXDOMAIN is an answer: the next server is not tried.
    let denied = try Running(
      options(
        ["127.0.0.1:\(bad.port)#dns.test", "127.0.0.1:\(server.port)#dns.test"], certificates))
    #expect(try denied.code(denied.ask("missing.lab.test")) == 3)
    denied.stop()
  }

  @Test func whenNoServerKnowsTheBestAnswerIsTheGuests() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let codes = try [5, 4, 2, 5].map { try CodeServer(certificates, code: $0) }
    let silent = try SilentServer()
    func asked(_ ports: [Int]) throws -> Int? {
      let running = try Running(
        options(ports.map { "127.0.0.1:\($0)#dns.test" }, certificates, timeout: 5))
      defer { running.stop() }
      return try running.code(running.ask("who.lab.test", seconds: 1))
    }
    #expect(try asked(codes.map(\.port)) == 2)
    #expect(try asked(Array(codes[..<2].map(\.port))) == 5)
    // The next server does not answer, and the host's deadline passes before that is detected.
    #expect(try asked([codes[2].port, silent.port]) == 2)
  }

  @Test func aServerThatStartsAgainIsFoundAgain() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    // The server closes connections that are idle for 200 ms.
    let server = try Unbound(certificates, address: "192.0.2.9", idleMilliseconds: 200)
    let running = try Running(options(["127.0.0.1:\(server.port)#dns.test"], certificates))
    for _ in 0..<3 {
      #expect(try running.address(running.ask("who.lab.test")) == [192, 0, 2, 9])
      usleep(500_000)
    }
    #expect((running.connections ?? 0) >= 2)
    running.stop()
  }

  @Test func anUnusedConnectionIsClosed() throws {
    let certificates = try Certificates()
    defer { certificates.remove() }
    let server = try Unbound(certificates, address: "192.0.2.9")
    let running = try Running(options(["127.0.0.1:\(server.port)#dns.test"], certificates, idle: 1))
    #expect(try running.address(running.ask("who.lab.test")) == [192, 0, 2, 9])
    func open() throws -> Int {
      Int(
        try shell("ss -Htn state established dst 127.0.0.1:\(server.port) | wc -l")
          .trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1
    }
    #expect(try open() == 1)
    usleep(1_500_000)
    #expect(try open() == 0)
    running.stop()
  }

  @Test func withoutAnyServerQuestionsFailAndTheReasonIsTold() throws {
    let running = try Running(options(["127.0.0.1:\(Unbound.freePort())#dns.test"], nil))
    #expect(try running.reason(running.ask("who.lab.test")).hasPrefix("127.0.0.1:"))
    running.stop()
  }

  @Test func cancelledQuestionsAreForgotten() throws {
    let silent = try SilentServer()
    let running = try Running(options(["127.0.0.1:\(silent.port)#dns.test"], nil, timeout: 1))
    let op = running.ask("who.lab.test")
    running.plugin.cancel(op)
    #expect(!running.host.run(running.plugin, seconds: 2) { running.host.results[op] != nil })
    running.stop()
  }

  @Test(arguments: [
    ("9.9.9.9#dns.quad9.net", "9.9.9.9", 853, "dns.quad9.net" as String?),
    ("192.0.2.53:8853", "192.0.2.53", 8853, nil),
    ("2001:db8::53", "2001:db8::53", 853, nil),
    ("[2001:db8::53]:8853#a.b", "2001:db8::53", 8853, "a.b"),
  ])
  func serversAreRead(text: String, address: String, port: Int, name: String?) throws {
    let server = try #require(TLSServer(text))
    #expect(server.address.ipAddress == address && server.address.port == port)
    #expect(server.name == name)
  }

  @Test(arguments: [
    "", "dns.quad9.net", "192.0.2.53#", "192.0.2.53#192.0.2.53", "192.0.2.53:0", "192.0.2.53:x",
    "[2001:db8::53", "[2001:db8::53]853", "192.0.2.53#a b",
  ])
  func whatIsNoServerIsRefused(text: String) {
    #expect(TLSServer(text) == nil)
  }

  @Test func aFileThatHoldsNoAuthoritiesIsTold() throws {
    #expect(throws: PluginFailure.self) {
      _ = try Running(
        .object([
          "servers": ["192.0.2.53"],
          "caFile": "/dev/null/nothing",
        ]))
    }
  }
}

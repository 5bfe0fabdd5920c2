// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import Platform
import Testing

@testable import HostDNSCore

@Suite("The order of the host's sources (nsswitch.conf, hosts)", .timeLimit(.minutes(5)))
struct HostsOrderTests {
  @Test("a line of thousands of sources is understood as far as 32, and then the system's")
  func longLine() throws {
    let text = "hosts: " + String(repeating: "mdns4_minimal ", count: 4000) + "dns"
    let order = HostsOrder(parsing: Array(text.utf8))
    #expect(order.route(try #require(DNSName("x.example")), isInFile: false) == .system)
  }

  @Test(
    "what DNS would be asked goes to the nameservers, everything else is the system's",
    arguments: [
      ("hosts: files dns", "x.example", HostsOrder.Route.dns), ("", "x.example", .dns),
      ("passwd: files\n", "x.example", .dns),
      ("hosts: files dns", "printer.local", .dns),
      ("hosts: files dns", "filed.example", .file), ("hosts: dns files", "x.example", .dns),
      ("hosts: dns files", "filed.example", .dnsThenFile),
      ("hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns # b", "x.example", .dns),
      ("hosts: files mdns4_minimal [NOTFOUND=return] dns", "Printer.Local", .system),
      ("hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname", "x.example", .dns),
      ("hosts: files myhostname dns", "x.example", .dns),
      ("hosts: files myhostname dns", "_Gateway", .system),
      ("hosts: files dns myhostname", "_gateway", .dnsThenSystem),
      ("hosts: files dns myhostname", "a.localhost", .dnsThenSystem),
      ("hosts: files myhostname dns", "This.Host", .system),
      ("hosts: files resolve [!UNAVAIL=return] dns", "filed.example", .file),
      ("hosts: files [NOTFOUND=return] dns", "filed.example", .file),
      ("hosts: files [SUCCESS=continue] dns", "filed.example", .system),
      ("hosts: files [NOTFOUND=return SUCCESS=continue] dns", "filed.example", .system),
      ("hosts: files [ NOTFOUND=return UNAVAIL=return ] dns", "filed.example", .file),
      ("hosts: sss files dns", "filed.example", .system),
      ("hosts: files sss dns", "filed.example", .file),
      ("hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns", "x.example", .system),
      ("hosts: files resolve [!UNAVAIL=return] dns", "x.example", .system),
      ("hosts: files [NOTFOUND=return] dns", "x.example", .system),
      ("hosts: files", "x.example", .system),
      ("hosts: files dns [NOTFOUND=return] nis", "x", .system),
      ("#hosts: files sss\nhosts: files sss dns\nhosts: files dns", "x.example", .dns),
    ])
  func routes(_ text: String, _ name: String, _ expected: HostsOrder.Route) throws {
    let hosts = HostsFile(parsing: Array("192.0.2.1 FILED.example alias\n".utf8))
    let name = try #require(DNSName(name))
    #expect(
      HostsOrder(parsing: Array(text.utf8)).route(
        name, isInFile: hosts.find(name) != .missing, own: DNSName("this.host")) == expected)
  }
}

@Suite("Two answers, one truth", .serialized, .timeLimit(.minutes(5)))
struct VerdictTests {
  private static let chain: [DNSRecordData] = [
    .name(.cname, DNSName("real.example") ?? .root), .address(.v4(0xC000_0201)),
  ]

  /// A CNAME record and an address, TTL 300.
  private func chained(_ query: DNSMessage) -> [UInt8] {
    reply(query, .noError, Self.chain) {
      $0.answers[1].name = DNSName("real.example") ?? .root
    }
  }

  private func ask(
    _ order: HostsOrder, system: HostLookup.Outcome, slow: Bool = false,
    _ answer: @escaping (DNSMessage) -> [UInt8]
  ) throws -> (DNSMessage?, lookups: Int) {
    let host = try TestHost()
    // A silent server is not given up before the question's own time is over.
    let server = try TestServer(host) { query, _ in slow ? [] : [answer(query)] }
    let gate = Gate()
    let plugin = try makePlugin(
      host, slow ? ["timeout": 30] : [:], order: order,
      servers: [try #require(ServerAddress(server.address))]
    ) { name, _ in
      gate.pass(name)
      return system
    }
    return (try host.answer(plugin, query("www.example", .a)), gate.names.count)
  }

  @Test("where DNS is the host's order its answer is the answer, and no thread is asked")
  func dns() throws {
    let (answer, lookups) = try ask(.standard, system: .failed, chained)
    #expect(answer?.answers.count == 2)
    #expect(answer?.answers.map(\.ttl) == [300, 300])
    #expect(lookups == 0)
  }

  @Test("the nameservers' message tells TTL and CNAME of what the system says")
  func agreement() throws {
    let (answer, lookups) = try ask(.system, system: .found([[192, 0, 2, 1]]), chained)
    #expect(answer?.answers.count == 2)
    #expect(answer?.answers.map(\.ttl) == [300, 300])
    #expect(lookups == 1)
  }

  @Test("where they contradict each other the system is right")
  func contradiction() throws {
    let other = try ask(.system, system: .found([[10, 0, 0, 1]]), chained).0
    #expect(other?.answers.map { "\($0.data)" } == ["10.0.0.1"])
    #expect(other?.answers.map(\.ttl) == [5])
    #expect(try ask(.system, system: .noName, chained).0?.responseCode == .nameError)
    let known = try ask(.system, system: .found([[10, 0, 0, 1]])) { reply($0, .nameError) }.0
    #expect(known?.answers.count == 1)
  }

  @Test("a silent nameserver does not hold up what the system knows")
  func silence() throws {
    let (answer, _) = try ask(.system, system: .found([[10, 0, 0, 1]]), slow: true, chained)
    #expect(answer?.answers.count == 1)
  }

  @Test("sources behind DNS are asked when DNS does not know")
  func behind() throws {
    let order = HostsOrder(parsing: Array("hosts: dns wins".utf8))
    let (first, none) = try ask(order, system: .failed, chained)
    #expect(first?.answers.count == 2)
    #expect(none == 0)
    let (second, one) = try ask(order, system: .found([[10, 0, 0, 1]])) { reply($0, .nameError) }
    #expect(second?.answers.map { "\($0.data)" } == ["10.0.0.1"])
    #expect(one == 1)
    let (third, _) = try ask(order, system: .noName) { reply($0, .nameError) }
    #expect(third?.responseCode == .nameError)
  }
}

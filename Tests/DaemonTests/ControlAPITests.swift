// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("Control API", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct ControlAPITests {
  func ask(_ fixture: Fixture, _ method: String, _ path: String, _ body: String = "") throws
    -> Fixture.Answer
  {
    try fixture.ask(method, path, body)
  }

  @Test func `status and networks tell of each network`() throws {
    let fixture = try Fixture()
    let answer = try ask(fixture, "GET", "/v1/status")
    #expect(answer.status == 200)
    let status = try JSONText.decode(StatusReport.self, from: answer.body)
    #expect(status.networks.map(\.name) == ["default", "lab", "user-v2"])
    #expect(status.networks[1].plugin?.path == fixture.plugins + "/lima-net-fake.so")
    #expect(answer.body.contains("\"path\":\"\(fixture.plugins)/lima-net-fake.so\""))
    #expect(
      status.networks[0].error?.message.contains("no plugin claims mode `slirp`: there is fake")
        == true)
    let networks = try ask(fixture, "GET", "/v1/networks")
    #expect(try JSONText.decode([NetworkReport].self, from: networks.body).count == 3)
  }

  @Test func `start, inspect, leases, dns and stop of a network`() throws {
    let fixture = try Fixture()
    #expect(try ask(fixture, "POST", "/v1/networks/lab/start").status == 200)
    let report = try JSONText.decode(
      NetworkReport.self, from: try ask(fixture, "GET", "/v1/networks/lab").body)
    #expect(report.state == .running)
    #expect(report.live?["plugin"]?["flows"] == 3)
    // They came in pages.
    let ports = report.live?["ports"]?.array ?? []
    #expect(ports.map { $0["id"] } == [1, 2, 3, 4, 5])
    let leases = try JSONText.decode(
      [LeaseReport].self, from: try ask(fixture, "GET", "/v1/leases").body)
    #expect(leases.map(\.network) == ["lab"] && leases.first?.address == "10.0.0.9")
    let dns = try ask(
      fixture, "POST", "/v1/networks/lab/dns", #"{"name":"example.org","type":"aaaa"}"#)
    #expect(try JSONText.decode(DNSLookupReport.self, from: dns.body).milliseconds == 1.5)
    #expect(try ask(fixture, "POST", "/v1/networks/lab/stop").status == 200)
    #expect(try fixture.network().state == .stopped)
  }

  @Test func `forwards are added, listed and removed`() throws {
    let fixture = try Fixture()
    let body = #"{"protocol":"tcp","host":"127.0.0.1:8080","guest":"10.0.0.9:80"}"#
    #expect(try ask(fixture, "POST", "/v1/networks/lab/forwards", body).status == 201)
    #expect(try ask(fixture, "POST", "/v1/networks/lab/forwards", body).status == 409)
    let list = try JSONText.decode(
      [Forward].self, from: try ask(fixture, "GET", "/v1/networks/lab/forwards").body)
    #expect(list.map(\.host) == ["127.0.0.1:8080"])
    #expect(try ask(fixture, "DELETE", "/v1/networks/lab/forwards", body).status == 204)
    #expect(try ask(fixture, "DELETE", "/v1/networks/lab/forwards", body).status == 404)
  }

  @Test(arguments: [
    ("GET", "/v1/networks/lap", "", 404, "there is no network `lap`: did you mean `lab`?"),
    ("GET", "/v1/networks/a%2Fb", "", 404, "there is no network `a/b`"),
    ("GET", "/v1/networks//lab", "", 404, "there is no GET /v1/networks//lab"),
    ("GET", "/v2/status", "", 404, "there is no GET /v2/status"),
    ("POST", "/v1/networks/lab/forwards", "{", 400, "the request's body makes no sense"),
    (
      "POST", "/v1/networks/lab/forwards", #"{"protocol":"sctp","host":"x"}"#, 400,
      "`sctp` cannot be forwarded"
    ),
    ("POST", "/v1/networks/lab/dns", #"{"name":"a..b","type":"A"}"#, 400, "is no domain name"),
    ("POST", "/v1/networks/lab/dns", #"{"name":"a.b","type":"NIX"}"#, 400, "is no DNS record type"),
    ("POST", "/v1/networks/default/start", "", 404, "no plugin claims mode `slirp`"),
  ])
  func `mistakes are answered with code and sentence`(
    method: String, path: String, body: String, status: Int, text: String
  ) throws {
    let fixture = try Fixture()
    let answer = try ask(fixture, method, path, body)
    #expect(answer.status == status)
    let error = try JSONText.decode(ErrorBody.self, from: answer.body).error
    #expect(error.message.contains(text), "\(error)")
  }

  @Test func `a network of Lima's default file that is not there comes with its command`() throws {
    for config in [Fixture.oneNetwork(), nil] {
      let fixture = try Fixture(config: config)
      let answer = try ask(fixture, "GET", "/v1/networks/shared")
      let message = try JSONText.decode(ErrorBody.self, from: answer.body).error.message
      let home = " --lima-home \(fixture.home.path)"
      let create = "lima-netd network create shared --mode shared --gateway 192.168.105.1\(home)"
      #if os(Linux)
        let remedy = config == nil ? "sudo lima-netd network setup shared\(home)" : create
      #else
        let remedy = create
      #endif
      #expect(message.hasSuffix(". Make it:  \(remedy)"), "\(message)")
    }
  }

  @Test func `a capture streams until the client goes, and is then stopped`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let _: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    let fd = try UnixSocket.connect(path: fixture.home.controlSocket)
    try Files.writeAll(fd, Array("GET /v1/networks/lab/capture HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
    var text = ""
    var buffer = [UInt8](repeating: 0, count: 4096)
    #expect(
      fixture.until {
        let count = Files.readSome(fd, &buffer)
        if count > 0 { text += String(decoding: buffer[..<count], as: UTF8.self) }
        return text.contains("PCAP")
      })
    #expect(network.captures.count == 1)
    Descriptor.close(fd)
    #expect(fixture.until { network.captures.count == 0 })
    #expect(fixture.until { fixture.requests().last == "stopCapture" })
  }

  @Test func `a capture ends with the network`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let _: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    let fd = try UnixSocket.connect(path: fixture.home.controlSocket)
    defer { Descriptor.close(fd) }
    try Files.writeAll(
      fd,
      Array("GET /v1/networks/lab/capture HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".utf8))
    fixture.until { network.captures.count == 1 }
    network.stop("the test says so")
    var buffer = [UInt8](repeating: 0, count: 4096)
    var ended = false
    fixture.until {
      if Files.readSome(fd, &buffer) == 0 { ended = true }
      return ended
    }
    #expect(ended)
  }
}

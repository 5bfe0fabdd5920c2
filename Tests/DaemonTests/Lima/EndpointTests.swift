// SPDX-License-Identifier: Apache-2.0
//
// `_ep.sock` request by request, against a fake network-host.

import Platform
import Testing

@testable import Daemon

@Suite("gvproxy's API at _ep.sock", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct EndpointTests {
  func running() throws -> (Fixture, String) {
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(
        fixture.home.networkDirectory("user-v2") + "/fake-leases",
        #"[{"address":"192.168.104.3","mac":"52:55:55:00:00:03","name":"guest-1","state":"bound"}]"#
      )
    }
    let network = try fixture.network("user-v2")
    network.demand.isPinned = true
    network.start()
    #expect(fixture.until { network.state == .running })
    return (fixture, fixture.home.networkSockets("user-v2").endpoint)
  }

  struct Case: Sendable {
    var method = "GET"
    var path: String
    var body = ""
    var status = 200
    var answer = ""
  }

  static let lost = "404 page not found\n"
  static let cases: [Case] = [
    Case(
      path: "/leases",
      answer: #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.3":"52:55:55:00:00:03"}"# + "\n"),
    Case(
      method: "POST", path: "/services/dhcp/leases",
      answer: #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.3":"52:55:55:00:00:03"}"# + "\n"),
    Case(path: "/cam", answer: "{}\n"),
    Case(
      path: "/stats",
      answer: #"{"BytesSent":0,"BytesReceived":0,"MalformedRcvdPackets":0,"DroppedPackets":0,"#
        + #""PacketsSent":0,"PacketsReceived":0}"# + "\n"),
    Case(path: "/services/dns/all", answer: "[]\n"),
    Case(path: "/services/dns/add", status: 400, answer: "post only\n"),
    Case(method: "POST", path: "/services/dns/add", status: 400, answer: "EOF\n"),
    Case(
      method: "POST", path: "/services/dns/add", body: #"{"Name":7}"#, status: 400,
      answer: "json: cannot unmarshal integer into name\n"),
    Case(
      method: "POST", path: "/services/dns/add",
      body: #"{"Name":"a.","Records":[{"Name":"b","IP":"1.2.3"}]}"#, status: 400,
      answer: "invalid IP address: 1.2.3\n"),
    Case(
      method: "POST", path: "/services/dns/add",
      body: #"{"Name":"a.","Records":[{"Regexp":"(","IP":"1.2.3.4"}]}"#, status: 400,
      answer: "error parsing regexp: a group is not closed (at character 1): `(`\n"),
    // What the network's process would refuse is refused here, and in its dialect.
    Case(
      method: "POST", path: "/services/dns/add",
      body: #"{"Name":"a.","Records":[{"Regexp":"(a)\\1","IP":"1.2.3.4"}]}"#, status: 400,
      answer: "error parsing regexp: back-references are not taken (at character 5): `(a)\\1`\n"),
    Case(
      method: "POST", path: "/services/dns/add", body: #"{"Name":"a.","Records":[3]}"#, status: 400,
      answer: "json: cannot unmarshal integer into Records\n"),
    Case(
      method: "POST", path: "/services/dns/add", body: #"{"Name":"refused."}"#, status: 400,
      answer: "not this zone\n"),
    Case(path: "/services/dns/all", answer: "[]\n"),
    Case(path: "/services/forwarder/all", answer: "[]\n"),
    Case(path: "/services/forwarder/expose", status: 400, answer: "post only\n"),
    Case(path: "/services/forwarder/unexpose", status: 400, answer: "post only\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"127.0.0.1:9000","remote":"192.168.104.3"}"#, status: 400,
      answer: "address 192.168.104.3: missing port in address\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"127.0.0.1:9000","remote":"::1:22"}"#, status: 400,
      answer: "address ::1:22: too many colons in address\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"127.0.0.1:9000","remote":"192.168.104.3:22","protocol":"sctp"}"#,
      status: 500, answer: "unknown protocol sctp\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"127.0.0.1:9000","remote":"x:22"}"#, status: 500,
      answer: "invalid remote addr\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"/tmp/x","remote":"ssh-tunnel://root@1.2.3.4/x","protocol":"unix"}"#,
      status: 500,
      answer: "remote protocol for unix forwarder is not implemented: ssh-tunnel\n"),
    Case(
      method: "POST", path: "/services/forwarder/expose",
      body: #"{"local":"127.0.0.1:1","remote":"192.168.104.3:22"}"#, status: 500,
      answer: "network user-v2: the address is taken (plugin fake)\n"),
    Case(
      method: "POST", path: "/services/forwarder/unexpose", body: #"{"local":"127.0.0.1:9000"}"#,
      status: 500, answer: "proxy not found\n"),
    Case(path: "/tunnel?port=22", status: 500, answer: "ip is mandatory\n"),
    Case(
      path: "/tunnel?ip=192.168.104.3&port=x", status: 500,
      answer: #"strconv.Atoi: parsing "x": invalid syntax"# + "\n"),
    Case(
      path: "/extension/wait_port?ip=x&port=22", status: 400, answer: "invalid ip address: x\n"),
    Case(
      path: "/extension/wait_port?ip=1.2.3.4&port=70000", status: 400,
      answer: #"strconv.ParseUint: parsing "70000": value out of range"# + "\n"),
    Case(
      path: "/extension/wait_port?ip=1.2.3.4&port=22&timeout=-1", status: 400,
      answer: #"strconv.ParseUint: parsing "-1": invalid syntax"# + "\n"),
    Case(path: "/extension/wait_port?ip=192.168.104.3&port=22"),
    Case(
      path: "/extension/wait_port?ip=192.168.104.3&port=1&timeout=0", status: 408,
      answer: "192.168.104.3:1 did not open within 0 s\n"),
    Case(path: "/", status: 404, answer: lost),
    Case(path: "/services/forwarder", status: 404, answer: lost),
    Case(method: "DELETE", path: "/nothing", status: 404, answer: lost),
  ]

  @Test func `every path has gvproxy's statuses, bodies and errors`() throws {
    let (fixture, socket) = try running()
    for test in Self.cases {
      let answer = try fixture.ask(test.method, test.path, test.body, at: socket)
      #expect(answer.status == test.status, "\(test.method) \(test.path) \(test.body)")
      #expect(answer.body == test.answer, "\(test.method) \(test.path) \(test.body)")
    }
  }

  @Test func `forwards are exposed under the names that the client gave them`() throws {
    let (fixture, socket) = try running()
    func post(_ path: String, _ body: String) throws -> Fixture.Answer {
      try fixture.ask("POST", "/services/forwarder/" + path, body, at: socket)
    }
    let body = #"{"local":":9000","remote":"192.168.104.3:22","protocol":"tcp"}"#
    #expect(try post("expose", body).status == 200)
    let again = try post("expose", body)
    #expect(again.status == 500 && again.body == "proxy already running for tcp on :9000\n")
    #expect(
      try post(
        "expose", #"{"LOCAL":"127.0.0.1:8000","Remote":"192.168.104.3:53","protocol":"udp"}"#
      )
      .status == 200)
    #expect(
      try post(
        "expose", #"{"local":"/tmp/a.sock","remote":"tcp://192.168.104.3:80","protocol":"unix"}"#
      ).status == 200)
    let list = try fixture.ask("GET", "/services/forwarder/all", at: socket).body
    #expect(
      list == #"[{"local":"/tmp/a.sock","remote":"tcp://192.168.104.3:80","protocol":"unix"},"#
        + #"{"local":"127.0.0.1:8000","remote":"192.168.104.3:53","protocol":"udp"},"#
        + #"{"local":":9000","remote":"192.168.104.3:22","protocol":"tcp"}]"# + "\n")
    #expect(fixture.requests("user-v2").contains("expose *:9000"))
    #expect(
      try post("unexpose", #"{"local":":9000","protocol":"udp"}"#).body == "proxy not found\n")
    #expect(try post("unexpose", #"{"local":":9000"}"#).status == 200)
    #expect(try post("unexpose", #"{"local":":9000"}"#).body == "proxy not found\n")
    #expect(fixture.requests("user-v2").contains("unexpose *:9000"))
  }

  @Test func `zones are added in front, and are there again after a crash`() throws {
    let (fixture, socket) = try running()
    func add(_ body: String) throws -> Int {
      try fixture.ask("POST", "/services/dns/add", body, at: socket).status
    }
    #expect(
      try add(#"{"Name":"internal.","Records":[{"Name":"lima-a","IP":"192.168.104.3"}]}"#) == 200)
    #expect(
      try add(
        #"{"Name":"internal.","Records":[{"Name":"lima-b","IP":"192.168.104.4"}],"DefaultIP":"1.2.3.4"}"#
      ) == 200)
    #expect(try add(#"{"name":"x.","records":null,"defaultIP":"10.0.0.1"}"#) == 200)
    let many = Array(repeating: #"{"Regexp":"^vm[a-z]{200}$","IP":"1.2.3.4"}"#, count: 30)
    #expect(try add(#"{"Name":"y.","Records":[\#(many.joined(separator: ","))]}"#) == 400)
    let list = try fixture.ask("GET", "/services/dns/all", at: socket).body
    #expect(
      list == #"[{"Name":"internal.","Records":[{"Name":"lima-b","IP":"192.168.104.4"},"#
        + #"{"Name":"lima-a","IP":"192.168.104.3"}],"DefaultIP":"1.2.3.4"},"#
        + #"{"Name":"x.","Records":[],"DefaultIP":"10.0.0.1"}]"# + "\n")
    // A process is given each zone by itself.
    let zones = [
      #"names api internal.["lima-b=192.168.104.4", "lima-a=192.168.104.3"]"#, "names api x.[]",
    ]
    func areGiven(times: Int) -> Bool {
      let requests = fixture.requests("user-v2")
      return zones.allSatisfy { zone in requests.filter { $0 == zone }.count == times }
    }
    #expect(fixture.until { areGiven(times: 1) })
    let network = try fixture.network("user-v2")
    let before = network.life.restarts
    network.link?.kill()
    #expect(fixture.until { network.life.restarts > before && network.state == .running })
    #expect(fixture.until { areGiven(times: 2) })
  }

  /// Sends `head`, then reads so many bytes.
  func hijack(_ fixture: Fixture, _ socket: String, _ head: String) throws -> Int32 {
    let fd = try UnixSocket.connect(path: socket)
    try Files.writeAll(fd, Array(head.utf8))
    return fd
  }

  @Test func `a tunnel says OK and is the guest's from then on`() throws {
    let (fixture, socket) = try running()
    let fd = try hijack(
      fixture, socket,
      "POST /tunnel?ip=192.168.104.3&port=22 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nearly")
    defer { Descriptor.close(fd) }
    let expected = "OKSSH-2.0-fake\nearly"
    #expect(String(decoding: fixture.read(fd, expected.utf8.count), as: UTF8.self) == expected)
    try Files.writeAll(fd, Array("more".utf8))
    #expect(String(decoding: fixture.read(fd, 4), as: UTF8.self) == "more")
    #expect(fixture.requests("user-v2").contains("connect 192.168.104.3:22"))
  }

  @Test func `a tunnel to nobody ends after its OK`() throws {
    let (fixture, socket) = try running()
    let fd = try hijack(
      fixture, socket, "GET /tunnel?ip=192.168.104.3&port=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    defer { Descriptor.close(fd) }
    #expect(String(decoding: try fixture.readToEnd(fd), as: UTF8.self) == "OK")
    #expect(
      fixture.until {
        fixture.log.lines.all.contains { $0.contains("no tunnel to 192.168.104.3:1") }
      })
  }

  @Test func `a head that comes in pieces is a head`() throws {
    let (fixture, socket) = try running()
    let fd = try UnixSocket.connect(path: socket)
    defer { Descriptor.close(fd) }
    for piece in [
      "P", "OST /tun", "nel?ip=192.168.104.3&port=22 HTTP/1.1\r", "\nHost: x\r\n\r", "\n",
    ] {
      try Files.writeAll(fd, Array(piece.utf8))
      fixture.pass(0.03)
    }
    #expect(String(decoding: fixture.read(fd, 15), as: UTF8.self).hasPrefix("OKSSH-2.0-fake"))
  }

  @Test func `connect makes the connection a guest's link with HyperKit's frames`() throws {
    let (fixture, socket) = try running()
    let fd = try hijack(fixture, socket, "POST /connect HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(
      fixture.until {
        fixture.requests("user-v2").last
          == "port hyperkit guest-1 slot true resumed false fds 1"
      })
    let cam = try fixture.ask("GET", "/cam", at: socket).body
    #expect(cam == #"{"52:55:55:00:00:03":1}"# + "\n")
    let network = try fixture.network("user-v2")
    #expect(network.guests.count == 1)
    Descriptor.close(fd)
    #expect(fixture.until { network.guests.isEmpty })
  }

  @Test func `wait_port waits until the port opens, and no longer than asked`() throws {
    let (fixture, socket) = try running()
    let began = MonotonicClock.now()
    // The fake guest listens at port 2 from the third attempt on.
    let answer = try fixture.ask(
      "GET", "/extension/wait_port?ip=192.168.104.3&port=2&timeout=60", at: socket)
    #expect(answer.status == 200)
    #expect(fixture.requests("user-v2").filter { $0 == "connect 192.168.104.3:2" }.count == 3)
    let late = try fixture.ask(
      "GET", "/extension/wait_port?ip=192.168.104.3&port=1&timeout=1", at: socket)
    #expect(late.status == 408)
    #expect(MonotonicClock.now() - began > 1_000_000_000)
  }

  @Test func `of a network at rest the leases of last time are known`() throws {
    let fixture = try UsernetFilesTests.fixture { fixture in
      try Fixture.write(
        fixture.home.networkDirectory("user-v2") + "/leases.json",
        #"{"192.168.104.7":"52:55:55:00:00:07"}"#)
    }
    let socket = fixture.home.networkSockets("user-v2").endpoint
    #expect(
      try fixture.ask("GET", "/leases", at: socket).body
        == #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.7":"52:55:55:00:00:07"}"# + "\n")
    #expect(try fixture.network("user-v2").state == .stopped)
  }

  @Test func `nonsense gets an answer or an end, and the daemon goes on`() throws {
    let (fixture, socket) = try running()
    for text in [
      "\u{0}\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
      "POST /connect HTTP/1.1\r\n" + String(repeating: "a: b\r\n", count: 3000) + "\r\n",
      "POST /services/dns/add HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"
        + String(repeating: "x", count: 70000),
    ] {
      let fd = try UnixSocket.connect(path: socket)
      _ = try? Files.writeAll(fd, Array(text.utf8.prefix(60000)))
      fixture.pass(0.05)
      Descriptor.close(fd)
    }
    #expect(try fixture.ask("GET", "/cam", at: socket).status == 200)
    let large = try fixture.ask(
      "POST", "/services/dns/add", String(repeating: " ", count: 65537), at: socket)
    #expect(large.status == 413)
  }
}

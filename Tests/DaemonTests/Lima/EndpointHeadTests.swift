// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("Heads of requests to _ep.sock", .timeLimit(.minutes(5)))
struct EndpointHeadTests {
  func head(_ text: String) -> EndpointHead { EndpointHead(Array(text.utf8)) }

  @Test func `the two paths that do not stay HTTP are told with the length of their head`() {
    let tunnel = "POST /tunnel?ip=192.168.104.3&port=22 HTTP/1.1\r\nHost: lima\r\n\r\n"
    #expect(head(tunnel) == .tunnel(guest: "192.168.104.3:22", length: tunnel.utf8.count))
    #expect(
      head(tunnel + "SSH-2.0") == .tunnel(guest: "192.168.104.3:22", length: tunnel.utf8.count))
    let frames = "POST /connect HTTP/1.1\nHost: x\n\n"
    #expect(head(frames + "\u{1}\u{0}") == .frames(length: frames.utf8.count))
    #expect(head("GET http://h/connect HTTP/1.0\r\n\r\n") == .frames(length: 33))
    #expect(
      head("GET /tunnel?port=%32%32&ip=%3a%3A1 HTTP/1.1\r\n\r\n")
        == .tunnel(guest: "[::1]:22", length: 47))
  }

  @Test func `a head that is not whole waits`() {
    let text = "POST /tunnel?ip=1.2.3.4&port=22 HTTP/1.1\r\nHost: lima\r\n\r\n"
    for length in 0..<text.utf8.count {
      #expect(EndpointHead(Array(text.utf8.prefix(length))) == .incomplete)
    }
    #expect(head(String(repeating: "G", count: EndpointHead.limit)) == .http)
    #expect(
      head("POST /connect HTTP/1.1\r\n" + String(repeating: "a", count: EndpointHead.limit))
        == .http)
  }

  @Test(arguments: [
    "GET /leases HTTP/1.1\r\n", "GET /connected HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
    "GET /tunnel HTTP/1.1\r\n\r\n", "GET /tunnel?ip=x&port=22 HTTP/1.1\r\n\r\n",
    "GET /tunnel?ip=1.2.3.4 HTTP/1.1\r\n\r\n", "GET /tunnel?ip=1.2.3.4&port=0 HTTP/1.1\r\n\r\n",
    "GET /tunnel?ip=1.2.3.4&port=65536 HTTP/1.1\r\n\r\n",
    "GET /tunnel?ip=1.2.3.4&port=99999999999999999999 HTTP/1.1\r\n\r\n", "/connect\r\n\r\n",
    "GET /connect HTTP/2.0\r\n\r\n", "\u{16}\u{3}\u{1}", "get /x", "\r\n\r\n",
    "post /connect HTTP/1.1\r\n\r\n",
  ])
  func `everything else is for the HTTP server`(_ text: String) {
    #expect(head(text) == .http)
  }

  @Test func `no bytes break it`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 0...80)).map { _ in UInt8.random(in: 0...255, using: &random)
      }
      _ = EndpointHead(bytes)
      _ = EndpointHead(Array("GET /tunnel?".utf8) + bytes + Array(" HTTP/1.1\r\n\r\n".utf8))
    }
  }
}

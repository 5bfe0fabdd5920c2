// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Gateway

/// The host's search domains, which guests get where networks.yaml names none.
@Suite(.timeLimit(.minutes(1))) struct HostSearchDomainsTests {
  @Test(arguments: [
    ("search corp.example lab.example.\nnameserver 192.0.2.1\n", ["corp.example", "lab.example"]),
    ("nameserver 192.0.2.1\n", []), ("", []),
    // The last line counts, whichever of the two it is; `domain` has one. An empty one is none.
    ("search a.example\ndomain b.example c.example\n", ["b.example"]),
    ("domain b.example\nsearch a.example\tc.example\r\n", ["a.example", "c.example"]),
    ("search a.example\nsearch \ndomain\n", ["a.example"]),
    // The root is no domain to search, nor is what DHCP cannot carry; twice is once.
    ("search . a..b spa$ce .x a.example a.example. A.example\n", ["a.example"]),
    // The keyword begins the line, as it is written.
    ("#search a.example\n;search b.example\n search c.example\nSEARCH d.example\n", []),
    ("searching a.example\nsearch\n", []),
  ])
  func `resolv.conf is read as the C library does`(text: String, domains: [String]) {
    #expect(HostSearchDomains.parse(text) == domains)
  }

  @Test func `they are bounded, and follow the file whatever becomes of it`() throws {
    let path = NSTemporaryDirectory() + "resolv-\(UUID().uuidString)"
    defer { unlink(path) }
    let host = HostSearchDomains(path: path)
    #expect(host.current == [])
    try "search one.example\n".write(toFile: path, atomically: false, encoding: .utf8)
    #expect(host.current == ["one.example"])
    // Another file in its place, as NetworkManager and systemd-resolved do, of the same length.
    try "search two.example\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(host.current == ["two.example"])
    let many = (0..<100).map { "d\($0).example" }
    try "search \(many.joined(separator: " "))\n"
      .write(toFile: path, atomically: true, encoding: .utf8)
    #expect(host.current == Array(many[..<32]))
    try String(repeating: "# long\n", count: 100_000)
      .write(toFile: path, atomically: true, encoding: .utf8)
    #expect(host.current == [])
    unlink(path)
    #expect(host.current == [])
    // A FIFO in its place holds nobody up.
    #expect(mkfifo(path, 0o600) == 0)
    #expect(host.current == [])
    unlink(path)
    try "search one.example\n".write(toFile: path, atomically: true, encoding: .utf8)
    #expect(host.current == ["one.example"])
  }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("Port-forward rules", .timeLimit(.minutes(5)))
struct PortForwardTests {
  /// A rule as lima.yaml has it, filled.
  func rule(_ change: (inout PortForwardEntry) -> Void) throws -> PortForwardRule {
    var entry = PortForwardEntry()
    change(&entry)
    entry.fill(socketDirectory: "/i/sock") { text, _ in text }
    #expect(entry.problems(field: "f") == [])
    return try #require(entry.rule)
  }

  func rules(_ own: [PortForwardRule], ssh: Int = 60022, plain: Bool = false) -> PortForwardRules {
    PortForwardRules(instance: own, sshLocalPort: ssh, plain: plain)
  }

  /// "tcp 127.0.0.1:80", "udp [::]:53"
  func listener(_ text: String) throws -> GuestListener {
    let words = text.split(separator: " ")
    let colon = try #require(words[1].lastIndex(of: ":"))
    let address = words[1][..<colon].filter { $0 != "[" && $0 != "]" }
    return GuestListener(
      try #require(ForwardIP(String(address))),
      try #require(Int(words[1][words[1].index(after: colon)...])),
      try #require(PortForwardRule.Transport(rawValue: String(words[0]))))
  }

  func decide(_ rules: PortForwardRules, _ text: String) throws -> String {
    switch rules.decision(for: try listener(text)) {
    case .forward(let end): end.description
    case .ignore: "ignore"
    case .isStatic: "static"
    }
  }

  @Test(arguments: [
    ("tcp 127.0.0.1:80", "127.0.0.1:80"), ("udp 127.0.0.1:80", "127.0.0.1:80"),
    ("tcp 0.0.0.0:80", "127.0.0.1:80"), ("tcp [::]:80", "127.0.0.1:80"),
    ("tcp [::1]:80", "127.0.0.1:80"), ("tcp 127.0.0.2:80", "ignore"),
    ("tcp 192.168.5.15:80", "ignore"), ("tcp 0.0.0.0:22", "ignore"), ("udp 127.0.0.1:22", "ignore"),
    ("tcp 192.168.5.15:60022", "ignore"), ("tcp [::1]:60022", "ignore"),
    ("tcp [::ffff:127.0.0.1]:80", "127.0.0.1:80"),
  ])
  func `without rules the guest's loopback is forwarded, and its SSH never`(
    _ text: String, _ expected: String
  ) throws {
    #expect(try decide(rules([]), text) == expected)
  }

  @Test func `without an SSH port there is one rule less`() throws {
    #expect(rules([], ssh: 0).rules.count == 2)
    #expect(rules([]).rules.count == 3)
    #expect(try decide(rules([], ssh: 0), "tcp 127.0.0.1:60022") == "127.0.0.1:60022")
  }

  @Test func `the first rule that covers a listener decides`() throws {
    let list = rules([
      try rule {
        $0.guestPort = 80; $0.hostPort = 8080
      },
      try rule {
        $0.guestPort = 80; $0.hostPort = 9090
      },
    ])
    #expect(try decide(list, "tcp 127.0.0.1:80") == "127.0.0.1:8080")
  }

  @Test func `ranges keep the distance from their beginnings`() throws {
    let list = rules([
      try rule {
        $0.guestPortRange = [4000, 4010]; $0.hostPortRange = [5000, 5010]
      }
    ])
    #expect(try decide(list, "tcp 127.0.0.1:4000") == "127.0.0.1:5000")
    #expect(try decide(list, "tcp 127.0.0.1:4010") == "127.0.0.1:5010")
    #expect(try decide(list, "tcp 127.0.0.1:4011") == "127.0.0.1:4011")
  }

  @Test func `a rule for one protocol does not cover the other`() throws {
    let list = rules([
      try rule {
        $0.guestPort = 53; $0.hostPort = 5353; $0.proto = "udp"
      },
      try rule {
        $0.guestPort = 53; $0.ignore = true
      },
    ])
    #expect(try decide(list, "udp 127.0.0.1:53") == "127.0.0.1:5353")
    #expect(try decide(list, "tcp 127.0.0.1:53") == "ignore")
  }

  @Test func `guestIP 0 covers every address, unless it must be zero`() throws {
    let any = rules([
      try rule {
        $0.guestIP = .anyIPv4
        $0.guestIPMustBeZero = false
        $0.guestPort = 80
        $0.hostPort = 8080
      }
    ])
    for text in ["tcp 192.168.5.15:80", "tcp 0.0.0.0:80", "tcp [::]:80", "tcp 127.0.0.1:80"] {
      #expect(try decide(any, text) == "127.0.0.1:8080")
    }
    let zero = rules([
      try rule {
        $0.guestIPMustBeZero = true; $0.guestPort = 80; $0.hostPort = 8080
      }
    ])
    #expect(try decide(zero, "tcp 0.0.0.0:80") == "127.0.0.1:8080")
    #expect(try decide(zero, "tcp [::]:80") == "127.0.0.1:8080")
    #expect(try decide(zero, "tcp 192.168.5.15:80") == "ignore")
    #expect(try decide(zero, "tcp 127.0.0.1:80") == "127.0.0.1:80")
  }

  @Test func `to ignore one address leaves listeners on all of them`() throws {
    let one = rules([
      try rule {
        $0.guestIP = ForwardIP("127.0.0.1"); $0.guestPort = 80; $0.ignore = true
      }
    ])
    #expect(try decide(one, "tcp 127.0.0.1:80") == "ignore")
    #expect(try decide(one, "tcp 0.0.0.0:80") == "127.0.0.1:80")
    let all = rules([
      try rule {
        $0.guestIP = .anyIPv4
        $0.guestIPMustBeZero = false
        $0.guestPort = 80
        $0.ignore = true
      }
    ])
    #expect(try decide(all, "tcp 0.0.0.0:80") == "ignore")
    #expect(try decide(all, "tcp 127.0.0.1:80") == "ignore")
  }

  @Test func `a socket of the host takes the place of its port`() throws {
    let list = rules([
      try rule {
        $0.guestPort = 2375; $0.hostSocket = "docker.sock"
      }
    ])
    #expect(try decide(list, "tcp 127.0.0.1:2375") == "/i/sock/docker.sock")
  }

  @Test func `rules for sockets of the guest cover no port`() throws {
    let list = rules([
      try rule {
        $0.guestSocket = "/run/docker.sock"; $0.hostSocket = "docker.sock"
      }
    ])
    #expect(try decide(list, "tcp 127.0.0.1:80") == "127.0.0.1:80")
  }

  @Test func `hostIP is where it listens`() throws {
    let list = rules([
      try rule {
        $0.guestPort = 80; $0.hostIP = ForwardIP("::1"); $0.hostPort = 8080
      }
    ])
    #expect(try decide(list, "tcp 127.0.0.1:80") == "[::1]:8080")
  }

  @Test func `a static rule has its port, whatever the address or protocol`() throws {
    let list = rules([
      try rule {
        $0.guestPort = 80; $0.isStatic = true; $0.proto = "tcp"
      }
    ])
    #expect(try decide(list, "udp 192.168.5.15:80") == "static")
    #expect(try decide(list, "tcp 127.0.0.1:81") == "127.0.0.1:81")
  }

  @Test func `of a plain instance only static rules hold`() throws {
    let list = rules(
      [
        try rule {
          $0.guestPort = 80; $0.isStatic = true
        }, try rule { $0.guestPort = 81 },
      ],
      plain: true)
    #expect(list.rules.count == 1)
    #expect(try decide(list, "tcp 127.0.0.1:81") == "ignore")
  }
}

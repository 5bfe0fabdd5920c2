// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("portForwards: defaults and mistakes", .timeLimit(.minutes(5)))
struct PortForwardEntryTests {
  func filled(_ change: (inout PortForwardEntry) -> Void) -> PortForwardEntry {
    var entry = PortForwardEntry()
    change(&entry)
    entry.fill(socketDirectory: "/i/sock") { text, isHost in
      LimaTemplate.expand(text, isHost ? ["Dir": "/i", "Param.a": "x"] : ["Home": "/home/u"])
    }
    return entry
  }

  @Test func `what is not written is filled in as by Lima`() {
    let entry = filled { _ in }
    #expect(entry.proto == "any")
    #expect(entry.guestIP == .loopbackIPv4 && entry.guestIPMustBeZero == false)
    #expect(entry.hostIP == .loopbackIPv4)
    #expect(entry.guestPortRange == [1, 65535] && entry.hostPortRange == [1, 65535])

    let one = filled { $0.guestPort = 80 }
    #expect(one.guestPortRange == [80, 80] && one.hostPortRange == [80, 80])
    let other = filled {
      $0.guestPort = 80; $0.hostPort = 8080
    }
    #expect(other.hostPortRange == [8080, 8080])

    #expect(filled { $0.guestIPMustBeZero = true }.guestIP == .anyIPv4)
    #expect(filled { $0.guestIP = .anyIPv4 }.guestIPMustBeZero == true)
    #expect(filled { $0.guestIP = .anyIPv6 }.guestIPMustBeZero == false)
    #expect(
      filled {
        $0.guestIP = .anyIPv4; $0.guestIPMustBeZero = false
      }.guestIPMustBeZero == false)
  }

  @Test func `socket paths are expanded and made absolute`() {
    let entry = filled {
      $0.guestSocket = "{{.Home}}/a.sock"
      $0.hostSocket = "{{ .Dir }}/sub/{{.Param.a}}.sock"
    }
    #expect(entry.guestSocket == "/home/u/a.sock" && entry.hostSocket == "/i/sub/x.sock")
    #expect(filled { $0.hostSocket = "a.sock" }.hostSocket == "/i/sock/a.sock")
    #expect(filled { $0.guestSocket = "{{.Unknown}}/a" }.guestSocket == "{{.Unknown}}/a")
  }

  static let mistakes: [(@Sendable (inout PortForwardEntry) -> Void, [String])] = [
    (
      {
        $0.guestIPMustBeZero = true; $0.guestIP = .loopbackIPv4
      },
      ["field `f.guestIPMustBeZero` can only be true when field `f.guestIP` is 0.0.0.0"]
    ),
    (
      {
        $0.guestPort = 22; $0.hostPort = 2222
      }, ["field `f.guestPort` must not be 22"]
    ),
    (
      {
        $0.guestPort = 2222; $0.hostPort = 22
      }, ["field `f.hostPort` must not be 22"]
    ),
    (
      {
        $0.guestPort = 65536; $0.hostPort = 1
      },
      ["field `f.guestPort` must be < 65536"]
    ),
    (
      {
        $0.guestPort = -1; $0.hostPort = 1
      }, ["field `f.guestPort` must be > 0"]
    ),
    (
      {
        $0.guestPortRange = [0, 10]; $0.hostPortRange = [1, 11]
      },
      ["field `f.guestPortRange[0]` must be set"]
    ),
    (
      {
        $0.guestPortRange = [10, 22]; $0.hostPortRange = [110, 122]
      },
      ["field `f.guestPortRange[1]` must not be 22"]
    ),
    (
      {
        $0.guestPortRange = [20, 10]; $0.hostPortRange = [20, 10]
      },
      [
        "field `f.guestPortRange[1]` must be greater than or equal to field `f.guestPortRange[0]`",
        "field `f.hostPortRange[1]` must be greater than or equal to field `f.hostPortRange[0]`",
      ]
    ),
    (
      {
        $0.guestPortRange = [1000, 1010]; $0.hostPortRange = [1000, 1011]
      },
      ["field `f.hostPortRange` must specify the same number of ports as field `f.guestPortRange`"]
    ),
    (
      {
        $0.guestPort = 80; $0.guestPortRange = [81, 81]
      },
      ["field `f.guestPort` must match field `f.guestPortRange[0]`"]
    ),
    (
      {
        $0.guestPort = 80; $0.guestSocket = "/a"; $0.hostSocket = "/b"
      },
      ["field `f.guestPort` must be 0 when field `f.guestSocket` is set"]
    ),
    (
      {
        $0.guestPort = 80; $0.hostPort = 80; $0.hostSocket = "/b"
      },
      ["field `f.hostPort` must be 0 when field `f.hostSocket` is set"]
    ),
    (
      {
        $0.guestSocket = "a"; $0.hostSocket = "/b"
      },
      ["field `f.guestSocket` must be an absolute path, but is `a`"]
    ),
    (
      { $0.guestSocket = "/a" },
      ["field `f.guestSocket` can only be mapped to a single port or socket. not a range"]
    ),
    (
      { $0.hostSocket = "/b" },
      ["field `f.hostSocket` can only be mapped from a single port or socket. not a range"]
    ),
    (
      {
        $0.guestPort = 80; $0.hostSocket = "/" + String(repeating: "x", count: 107)
      },
      ["field `f.hostSocket` must be less than UNIX_PATH_MAX=108 characters, but is 108"]
    ),
    ({ $0.proto = "sctp" }, ["field `f.proto` must be `tcp`, `udp`, or `any`"]),
    ({ $0.reverse = true }, ["field `f.reverse` must be false"]),
    (
      {
        $0.reverse = true; $0.guestPort = 80; $0.hostSocket = "/b"
      }, ["field `f.reverse` must be false"]
    ),
  ]

  @Test(arguments: mistakes.indices)
  func `mistakes are told in Lima's words`(_ index: Int) {
    let (change, expected) = Self.mistakes[index]
    let entry = filled(change)
    #expect(entry.problems(field: "f").map(\.text) == expected)
    #expect(entry.rule == nil)
  }

  @Test func `rules may overlap, and sockets may lead to sockets both ways`() {
    #expect(
      filled {
        $0.guestSocket = "/a"; $0.hostSocket = "/b"; $0.reverse = true
      }.rule != nil)
    #expect(
      filled {
        $0.guestPort = 80; $0.hostSocket = "/b"
      }.rule?.hostSocket == "/b")
  }
}

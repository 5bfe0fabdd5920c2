// SPDX-License-Identifier: Apache-2.0
//
// lima-netd-tap by itself: what it refuses, and that nothing is left when it does.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct TapHelperTests {
    /// The helper in a namespace of its own, with `before` run there first.
    private func helper(_ scene: HostTapScene, _ words: [String], prefix: String = "") throws
      -> CommandResult
    {
      let quoted = words.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
      return try scene.host.shell("\(prefix) \(Installation.tapHelper) \(quoted)")
    }

    private static func six(_ address: String) -> [String] {
      ["setup", "a", "--address", "10.0.0.1/24", "--address6", address]
    }

    /// Words, and what is said of them.
    private static let refusals: [([String], String)] = [
      ([], "usage"), (["open"], "usage"), (["make", "a", "--bridge", "b"], "usage"),
      (["setup", "a..b", "--bridge", "br0"], "invalid network name"),
      (["setup", "../x", "--bridge", "br0"], "invalid network name"),
      (["setup", "", "--bridge", "br0"], "invalid network name"),
      // Control characters of either kind would drive a terminal.
      (["setup", "a\u{9b}31m\u{1b}[1m", "--bridge", "br0"], "invalid network name: a??31m?[1m\n"),
      (["setup", String(repeating: "a", count: 77), "--bridge", "br0"], "invalid network name"),
      (["setup", "a"], "--address or --bridge"),
      (["setup", "a", "--bridge", "br0", "--address", "10.0.0.1/24"], "one of the two"),
      (["setup", "a", "--bridge"], "needs a value"),
      (["setup", "a", "--bridge", "br0", "--bridge", "br1"], "given twice"),
      (["setup", "a", "--colour", "red"], "unknown argument"),
      (["setup", "a", "--bridge", "../../x"], "invalid bridge name"),
      (["setup", "a", "--bridge", ".."], "invalid bridge name"),
      (["setup", "a", "--bridge", "abcdefghijklmnop"], "invalid bridge name"),
      (["setup", "a", "--bridge", "lo"], "is not an existing bridge"),
      (["setup", "a", "--bridge", "out"], "is a network card"),
      (["setup", "a", "--bridge", "br9"], "there is no interface br9"),
      (["setup", "a", "--address", "10.0.0.1"], "prefix length"),
      (["setup", "a", "--address", "10.0.0.1/33"], "prefix length"),
      (["setup", "a", "--address", "10.0.0.1/31"], "prefix length"),
      (["setup", "a", "--address", "10.0.0.1/024"], "prefix length"),
      (["setup", "a", "--address", "10.0.0.0/24"], "broadcast"),
      (["setup", "a", "--address", "10.0.0.255/24"], "broadcast"),
      (["setup", "a", "--address", "127.0.0.1/8"], "no address that a gateway can have"),
      (["setup", "a", "--address", "224.0.0.1/24"], "no address that a gateway can have"),
      (["setup", "a", "--address", "169.254.1.1/24"], "no address that a gateway can have"),
      (["setup", "a", "--address", "10.0.0.1.1/24"], "no IPv4 address"),
      (["setup", "a", "--address", "fd00::1/64"], "no IPv4 address"),
      (["setup", "a", "--address", String(repeating: "1", count: 500)], "too long"),
      (["setup", "a", "--address", "10.0.0.1/24", "--mtu", "65521"], "--mtu"),
      (["setup", "a", "--address", "10.0.0.1/24", "--mtu", "-1"], "--mtu"),
      (["setup", "a", "--address", "10.0.0.1/24", "--owner", "4294967295"], "no user id"),
      (["setup", "a", "--address", "10.0.0.1/24", "--owner", "x"], "no user id"),
      (["setup", "a", "--address", "203.0.113.7/16"], "interface out"),
      (["setup", "a", "--address6", "fd00--1/64"], "--address or --bridge"),
      (["setup", "a", "--bridge", "br0", "--address6", "fd00--1/64"], "goes with --address"),
      (Self.six("fd00::1/64"), "has dashes for colons"), (Self.six("fd00--1"), "length of 64"),
      (Self.six("fd00--1/63"), "length of 64"), (Self.six("fd00--1/064"), "length of 64"),
      (Self.six("fd00--/64"), "prefix's own"), (Self.six("--1/64"), "that a gateway can have"),
      (Self.six("fe80--1/64"), "that a gateway can have"),
      (Self.six("ff02--1/64"), "that a gateway can have"),
      (Self.six("--ffff-10.0.0.1/64"), "that a gateway can have"),
      (Self.six("64-ff9b--1/64"), "that a gateway can have"),
      (Self.six("fd00--1--2/64"), "no IPv6 address"),
      (Self.six("fd00--1%out/64"), "no IPv6 address"),
      (Self.six(String(repeating: "f", count: 500)), "too long"),
      (Self.six("fd00--1/64") + ["--mtu", "1279"], "which needs 1280"),
      (["unsetup", "a", "--address6", "fd00--1/64"], "nothing else"),
      (["unsetup", "a", "--mtu", "1500"], "nothing else"),
      (["unsetup", "a", "--home", "/h"], "--home is for setup"),
      (["open", "a", "--address", "10.0.0.1/24", "--home", "/h"], "--home is for setup"),
      (["setup", "a", "--address", "10.0.0.1/24", "--home", "h"], "invalid home"),
      (["setup", "a", "--address", "10.0.0.1/24", "--home", "/a b"], "invalid home"),
      (
        [
          "setup", "a", "--address", "10.0.0.1/24", "--home",
          "/" + String(repeating: "h", count: 180),
        ],
        "invalid home"
      ),
    ]

    @Test func `each refusal has its own words, and leaves nothing`() throws {
      try require(.tap)
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let before = try scene.interfaces()
      for (words, text) in Self.refusals {
        let refused = try helper(scene, words)
        #expect(!refused.succeeded && refused.errors.contains(text), "\(refused)")
        #expect(refused.errors.split(separator: "\n").count == 1, "\(refused)")
      }
      #expect(try scene.interfaces() == before)
    }

    @Test func `several set-ups and removals of one network at once wait for each other`() throws {
      try require(.tap, .root)
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let setup = "\(Installation.tapHelper) setup a --address 10.9.0.1/24"
      let both = "\(setup) || echo failed; \(Installation.tapHelper) unsetup a || echo failed"
      let result = try scene.host.shell(
        "for i in 1 2 3 4 5 6; do (\(both)) & done; wait; \(setup) && ip -o addr show dev ln0-a")
      #expect(
        result.succeeded && !result.output.contains("failed") && result.errors.isEmpty
          && result.output.contains("10.9.0.1/24"), "\(result)")
    }

    @Test func `who is not root, or asks for another's, gets nothing`() throws {
      try require(.tap, .nobody)
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let words = ["setup", "a", "--address", "10.0.0.1/24"]
      let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
      let powerless = try helper(scene, words, prefix: nobody)
      #expect(powerless.errors.contains("CAP_NET_ADMIN"), "\(powerless)")
      let others = try helper(scene, words + ["--owner", "0"], prefix: nobody)
      #expect(others.errors.contains("may not have a TAP made for uid 0"), "\(others)")
      let sudoers = try helper(scene, words + ["--owner", "1001"], prefix: "SUDO_UID=1000")
      #expect(sudoers.errors.contains("uid 1000 may not"), "\(sudoers)")
      let garbage = try helper(scene, words, prefix: "SUDO_UID=1000x")
      #expect(garbage.errors.contains("SUDO_UID is no user id"), "\(garbage)")
      // CAP_NET_ADMIN is all it needs.
      let capable = try helper(
        scene, words + ["--owner", "1000"],
        prefix: "setpriv --bounding-set -all,+net_admin --inh-caps -all")
      #expect(capable.succeeded, "\(capable)")
      let link = try scene.host.shell(
        "ip -d link show ln1000-a; cat /proc/sys/net/ipv6/conf/ln1000-a/accept_ra")
      #expect(link.output.contains("persist on"), "\(link)")
      #expect(try helper(scene, ["unsetup", "a", "--owner", "1000"]).succeeded)
      #expect(try !scene.interfaces().contains("ln1000-a"))
    }

    @Test func `closed descriptors, odd environments and a receiver that is gone end it cleanly`()
      throws
    {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let before = try scene.interfaces()
      let open = "\(Installation.tapHelper) open a --address 10.0.0.1/24"
      for redirection in ["<&-", ">&- 2>&-", "<&- >&- 2>&-", "</dev/null", "<&- 9<&0"] {
        let result = try scene.host.shell("\(open) \(redirection); echo status $?")
        #expect(!result.output.contains("status 0"), "\(redirection): \(result)")
      }
      let environment = try scene.host.shell(
        "LD_PRELOAD=/nonexistent.so LD_LIBRARY_PATH=/tmp GCONV_PATH=/tmp MALLOC_CHECK_=3 IFS=/ \(open) </dev/null"
      )
      #expect(environment.errors.contains("no unix socket"), "\(environment)")
      // The other end closes before the TAP comes; the device goes with the helper.
      let gone = try scene.host.shell(
        """
        python3 -c 'import socket, subprocess
        a, b = socket.socketpair()
        a.close()
        p = subprocess.run("\(open)".split(), stdin=b, stderr=subprocess.PIPE, text=True)
        print(p.returncode, p.stderr)'
        """)
      #expect(gone.output.contains("nobody takes the TAP"), "\(gone)")
      #expect(try scene.interfaces() == before)
    }

    @Test func `arguments of any bytes are refused and make nothing`() throws {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let before = try scene.interfaces()
      let fuzz = try scene.host.shell(
        """
        python3 - <<'END'
        import random, subprocess
        r = random.Random(7)
        parts = [b"open", b"setup", b"a", b"--address", b"10.0.0.1/24", b"--bridge", b"out", b"--mtu", b"1500",
                 b"--owner", b"0", b"", b"%n%n%s", b"\\x1b[2J\\n", b"9" * 300, b"-", b"--", b"/", b".."]
        for _ in range(300):
          words = [r.choice(parts) if r.random() < .8 else bytes(r.randrange(1, 256) for _ in range(r.randrange(40)))
                   for _ in range(r.randrange(9))]
          words = [w for w in words if w != b"setup"]
          p = subprocess.run([b"\(Installation.tapHelper)"] + words, stdin=subprocess.DEVNULL, capture_output=True)
          assert p.returncode in (2, 3, 4), (words, p)
          assert p.stderr.endswith(b"\\n") and p.stderr.count(b"\\n") == 1, (words, p)
          assert b"\\x1b" not in p.stderr, (words, p)
        print("fine")
        END
        """, seconds: 60)
      #expect(fuzz.output.contains("fine"), "\(fuzz)")
      #expect(try scene.interfaces() == before)
    }
  }
}

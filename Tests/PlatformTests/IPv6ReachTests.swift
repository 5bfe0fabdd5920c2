// SPDX-License-Identifier: Apache-2.0

#if os(Linux)

  import LibC
  import TestSupport
  import Testing

  @testable import Platform

  @Suite(
    "Whether the host has IPv6 to the world",
    .enabled(if: NamespaceThread.isPossible, "see the first lines of the output"),
    .timeLimit(.minutes(5)))
  struct IPv6ReachTests {
    /// ip(8), in this thread's network namespace.
    private static func ip(_ lines: String...) throws {
      // The file of /proc, as the child may be another thread's.
      let own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
      defer { Descriptor.close(own) }
      for line in lines {
        let child = try TestProcess(
          "nsenter",
          ["--net=/proc/\(getpid())/fd/\(own)", "ip"] + line.split(separator: " ").map(String.init),
          output: 1, errors: 2)
        #expect(child.waitUntilExit() == .exited(0), "ip \(line)")
      }
    }

    /// Whether the descriptor of `watch` becomes readable within a second.
    private static func isTold(_ fd: Int32) -> Bool {
      var item = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
      defer { IPv6Reach.drain(fd) }
      return poll(&item, 1, 1000) == 1
    }

    @Test(
      "A default route in another table counts from the rule on that leads there, and the rule is told"
    )
    func rules() throws {
      try NamespaceThread.run {
        try Self.ip(
          "link set lo up", "link add wan type veth peer name far", "link set wan up",
          "link set far up",
          "addr add 2001:db8:1::2/64 dev wan nodad")
        #expect(!IPv6Reach.isWorldReachable())
        try Self.ip("-6 route add default via 2001:db8:1::1 dev wan table 100")
        #expect(!IPv6Reach.isWorldReachable())
        let fd = try IPv6Reach.watch()
        defer { Descriptor.close(fd) }
        IPv6Reach.drain(fd)
        try Self.ip("-6 rule add from all table 100 pref 1000")
        #expect(Self.isTold(fd))
        #expect(IPv6Reach.isWorldReachable())
        try Self.ip("-6 rule add from all prohibit pref 900")
        #expect(Self.isTold(fd))
        #expect(!IPv6Reach.isWorldReachable())
        try Self.ip("-6 rule del pref 900")
        #expect(Self.isTold(fd))
        #expect(IPv6Reach.isWorldReachable())
        // A hole where one of the addresses is that are asked for.
        try Self.ip("-6 route add blackhole 2001:dc3::/32 table 100")
        #expect(IPv6Reach.isWorldReachable())
        try Self.ip("-6 route replace unreachable default table 100")
        #expect(!IPv6Reach.isWorldReachable())
      }
    }

    @Test(
      "A route counts only with an address to send from that is the way's own, or of the Internet")
    func sources() throws {
      try NamespaceThread.run {
        try Self.ip(
          "link set lo up", "link add wan type veth peer name far", "link set wan addrgenmode none",
          "link set wan up", "link set far up", "addr add fe80::2/64 dev wan nodad",
          "-6 route add default via fe80::1 dev wan")
        #expect(!IPv6Reach.isWorldReachable())
        // The interface of a network of virtual machines.
        try Self.ip(
          "link add vms type veth peer name vm", "link set vms up", "link set vm up",
          "addr add fd00:105::1/64 dev vms nodad")
        #expect(!IPv6Reach.isWorldReachable())
        // A VPN's, which translates it.
        try Self.ip("addr add fd00:77::2/64 dev wan nodad")
        #expect(IPv6Reach.isWorldReachable())
        try Self.ip("addr del fd00:77::2/64 dev wan")
        #expect(!IPv6Reach.isWorldReachable())
        // Routers often have one of the Internet on another interface (RFC 7404).
        try Self.ip("addr add 2001:db8:2::1/128 dev lo nodad")
        #expect(IPv6Reach.isWorldReachable())
      }
    }
  }

#endif

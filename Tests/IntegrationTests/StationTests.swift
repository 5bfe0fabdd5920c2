// SPDX-License-Identifier: Apache-2.0
//
// Guests of user-v2 that come, leave, and share its router.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct StationTests {
    private static let network = "user-v2"
    private static let router = "192.168.104.2"

    @Test func aGuestThatLeavesEndsItsConnectionsAndNoOtherGuestSeesItsData() throws {
      try require(.tap, .root, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let port = try freePort()
      // Sends to whoever connects until it fails, and says how.
      let server = try RunningCommand(
        "python3",
        [
          "-c",
          """
          import socket
          s = socket.create_server(("127.0.0.1", \(port))); print("up", flush=True)
          c, _ = s.accept(); print("client", flush=True)
          try:
            while True: c.sendall(b"x" * 1000)
          except OSError as e: print("ended", type(e).__name__, flush=True)
          """,
        ])
      defer { server.stop() }
      #expect(eventually { server.output.contains("up") })
      // Counts frames to one station that is not it, for as long as it runs.
      let witness = try daemon.begin(
        "exec", Self.network, "--name", "witness", "--", "python3", "-uc",
        """
        import socket
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        name = [n for _, n in socket.if_nameindex() if n != "lo"][0]
        s.bind((name, 3))
        own = s.getsockname()[4]
        print("watching", flush=True)
        while True:
          frame, where = s.recvfrom(65600)
          if where[2] != socket.PACKET_OUTGOING and not frame[0] & 1 and frame[:6] != own:
            print("foreign", frame[:14].hex(), flush=True)
        """)
      defer { witness.stop() }
      #expect(eventually { witness.output.contains("watching") }, "\(witness.errors)")
      let guest = try daemon.begin(
        "exec", Self.network, "--name", "reader", "--", "python3", "-uc",
        """
        import os, socket
        s = socket.create_connection(("\(Self.router)", \(port)))
        s.recv(1000)
        # It vanishes: nothing that its kernel says of the end gets through.
        name = [n for _, n in socket.if_nameindex() if n != "lo"][0]
        os.system(f"ip link set {name} down"); print("down", flush=True)
        """)
      #expect(eventually { guest.output.contains("down") }, "\(guest.errors)")
      guest.stop()
      #expect(eventually { server.output.contains("ended") }, "\(server.output)")
      #expect(!witness.output.contains("foreign"), "\(witness.output.prefix(300))")
    }

    @Test func largeDatagramsOfTwoGuestsAtOnceAllArrive() throws {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let port = try freePort()
      let server = try RunningCommand(
        "python3",
        [
          "-uc",
          """
          import socket
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
          s.bind(("127.0.0.1", \(port))); print("up", flush=True)
          while True: print("got", len(s.recv(65535)), flush=True)
          """,
        ])
      defer { server.stop() }
      #expect(eventually { server.output.contains("up") })
      let guests = try (0..<2).map {
        try daemon.begin(
          "exec", Self.network, "--name", "sender\($0)", "--", "python3", "-uc",
          """
          import socket, time
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          for _ in range(20):
            s.sendto(b"x" * 60000, ("\(Self.router)", \(port))); time.sleep(0.02)
          print("sent", flush=True); time.sleep(60)
          """)
      }
      defer { guests.forEach { $0.stop() } }
      #expect(eventually { guests.allSatisfy { $0.output.contains("sent") } })
      func arrived() -> Int { server.output.components(separatedBy: "got 60000").count - 1 }
      #expect(eventually { arrived() == 40 }, "\(arrived()) of 40")
    }

    @Test func anAddressThatAGuestUsesWithoutALeaseIsNotGivenToAnother() throws {
      try require(.tap, .root, .program("busybox"))
      let daemon = try TestDaemon()
      let byHand = try Namespace()
      let client = try Namespace()
      defer { byHand.remove(); client.remove(); daemon.stop() }
      let links = try [(byHand, 1), (client, 2)].map { machine, number in
        try RunningCommand(
          Installation.daemon,
          [
            "attach", Self.network, "--netns", "/proc/\(machine.processIdentifier)/ns/net",
            "--no-config", "--name", "m\(number)", "--tap", "lan0", "--mac",
            "52:55:55:0a:00:0\(number)",
          ], environment: daemon.environment)
      }
      defer { links.forEach { $0.stop() } }
      #expect(eventually { links.allSatisfy { $0.output.contains("lan0") } })
      // Each has an address kept for the Ethernet address that it was attached with: .3 and .4. The next of the pool, and
      // never a word to the router.
      let configured = try byHand.shell(
        "ip addr add 192.168.104.5/24 dev lan0 && ip link set lan0 up", seconds: 10)
      #expect(configured.succeeded, "\(configured)")
      // A third station, for which nothing is kept.
      let lease = try client.shell(
        """
        ip link set lan0 up
        ip link add link lan0 name lan1 type macvlan && ip link set lan1 up
        busybox udhcpc -i lan1 -q -n -f -t 10 -T 2 -s \(Installation.fixtures)/udhcpc.script
        """, seconds: 40)
      #expect(lease.output.contains("192.168.104.6/24"), "\(lease)")
      let ping = try byHand.shell("ping -c 1 -W 3 192.168.104.6", seconds: 10)
      #expect(ping.output.contains("1 received"), "\(ping)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What a guest of user-v2 cannot make its neighbour believe: packets from the Internet, of either family.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct PortSecurityTests {
    /// Prints each datagram's source that comes to port 5300, of either family.
    private static let witness = """
      import socket
      s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
      s.bind(([n for _, n in socket.if_nameindex() if n != "lo"][0], 3))
      print("watching", flush=True)
      while True:
          frame, where = s.recvfrom(65600)
          if where[2] == socket.PACKET_OUTGOING: continue
          if frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[36:38] == b"\\x14\\xb4":
              print("from", socket.inet_ntop(socket.AF_INET, frame[26:30]), flush=True)
          if frame[12:14] == b"\\x86\\xdd" and frame[20] == 17 and frame[56:58] == b"\\x14\\xb4":
              print("from", socket.inet_ntop(socket.AF_INET6, frame[22:38]), flush=True)
      """

    /// Has an address of others, and sends from it, then from its own.
    private static let script = """
      dev=$(ls /sys/class/net | grep -v lo | head -1)
      dev=$(ip -o link | awk -F': ' '!/ lo:/ { print $2; exit }'); dev=${dev%%@*}
      until ping -c 1 -W 1 witness.internal >/dev/null; do sleep 0.2; done
      ip address add 8.8.8.8/32 dev "$dev"; ip -6 address add 2001:db8::8/128 dev "$dev" nodad
      python3 - <<'END'
      import socket
      for family in socket.AF_INET, socket.AF_INET6:
          to = socket.getaddrinfo("witness.internal", 5300, family, socket.SOCK_DGRAM)[0][4]
          for own in "8.8.8.8" if family == socket.AF_INET else "2001:db8::8", None:
              s = socket.socket(family, socket.SOCK_DGRAM)
              if own: s.bind((own, 53))
              s.sendto(b"answer", to)
      END
      echo sent
      """

    private func sources(_ routers: String) throws -> String {
      let daemon = try TestDaemon(
        configuration: """
          networks:
            lab: {mode: user-v2, gateway: 192.168.118.1, portSecurity: {routers: [\(routers)]}}
          """)
      defer { daemon.stop() }
      let witness = try daemon.begin(
        "exec", "lab", "--name", "witness", "--", "python3", "-uc", Self.witness)
      defer { witness.stop() }
      #expect(eventually { witness.output.contains("watching") }, "\(witness.errors)")
      let sender = try daemon.guest(Self.script, on: "lab", options: ["--name", "sender"])
      #expect(sender.output.contains("sent"), "\(sender)")
      #expect(
        eventually {
          witness.output.contains("from 192.168.118.") && witness.output.contains("from fd")
        }, "\(witness.output)")
      if routers.isEmpty {
        // An exec guest that has left is told of in the log alone.
        #expect(
          eventually {
            daemon.log(of: "lab").contains("sends from 8.8.8.8, which is none of the network's")
          })
      }
      return witness.output
    }

    @Test func aNeighbourHearsNobodyWhoIsNotOfTheNetworkUnlessAGuestIsDeclaredARouter() throws {
      try require(.tap, .root, .program("python3"))
      let plain = try sources("")
      #expect(!plain.contains("8.8.8.8") && !plain.contains("2001:db8::8"), "\(plain)")
      let routed = try sources("sender")
      #expect(routed.contains("from 8.8.8.8") && routed.contains("from 2001:db8::8"), "\(routed)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Clients of the LAN and a guest whose default route is another interface: it answers them there, unless the gateway
// stands for them.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct ForwardSourceTests {
    /// TCP: closes after a line. UDP: sends back.
    private static let server = """
      import socket, threading
      def datagrams():
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 80))
          while True:
              data, peer = s.recvfrom(2000); s.sendto(peer[0].encode(), peer)
      threading.Thread(target=datagrams, daemon=True).start()
      s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
      s.bind(("0.0.0.0", 80)); s.listen(); print("up", flush=True)
      while True:
          c, peer = s.accept(); c.sendall(peer[0].encode() + b"\\n"); c.close()
      """

    private static func client(_ port: Int, udp: Bool) -> String {
      """
      import socket
      s = socket.socket(socket.AF_INET, socket.SOCK_\(udp ? "DGRAM" : "STREAM"))
      s.bind(("192.0.2.2", 0)); s.settimeout(3)
      s.connect(("192.0.2.2", \(port)))
      \(udp ? "s.send(b'x')" : "")
      print(s.recv(100).decode().strip())
      """
    }

    @Test(arguments: ["", "options: {forwardSource: gateway}"])
    func aGuestWithAnotherDefaultRouteServesTheLAN(options: String) throws {
      try require(.tap, .root, .program("python3"))
      let lan = try Namespace(addresses: ["192.0.2.2/24"])
      let daemon = try TestDaemon(
        configuration: "networks:\n  lab:\n    mode: slirp\n    \(options)\n",
        wrapper: lan.wrapper)
      defer { daemon.stop(); lan.remove() }
      let guest = try daemon.begin(
        "exec", "lab", "--", "sh", "-c",
        """
        ip link add d0 type veth peer name d1 && ip addr add 10.99.0.2/24 dev d0
        ip link set d0 up && ip link set d1 up
        ip route replace default via 10.99.0.1 dev d0
        exec python3 -c '\(Self.server)'
        """)
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("up") }, "\(guest.errors)")
      let byDefault = options.isEmpty ? "client" : "gateway"
      for (port, transport, source) in [
        (18080, "tcp", nil), (18081, "tcp", "gateway"), (18082, "tcp", "client"),
        (18080, "udp", nil), (18081, "udp", "gateway"), (18082, "udp", "client"),
      ] {
        let words = ["forward", "add", "lab", transport, "0.0.0.0:\(port)", "192.168.5.15:80"]
        let added = try run(
          Installation.daemon, words + (source.map { ["--source", $0] } ?? []),
          environment: daemon.environment)
        #expect(added.succeeded, "\(added)")
        let script = Self.client(port, udp: transport == "udp")
        let asked = lan.wrapper + ["python3", "-c", script]
        let answer = try run(asked[0], Array(asked.dropFirst()))
        if source ?? byDefault == "gateway" {
          #expect(answer.output == "192.168.5.2\n", "\(answer)")
        } else {
          // The answer went by the other interface.
          #expect(!answer.succeeded && answer.errors.contains("timed out"), "\(answer)")
        }
      }
      #expect(try daemon.netd("forward", "ls").output.contains("clients as the gateway"))
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What guests reach under egress rules: a host with addresses of its own, and another machine beyond it.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct EgressTests {
    /// A host in a namespace, and a machine with addresses of the Internet, of a company and of a cloud's metadata.
    private final class Scene {
      let host: Namespace
      let other: Namespace
      let server: RunningCommand
      let local: RunningCommand

      init() throws {
        host = try Namespace()
        other = try Namespace()
        let made = try host.shell(
          """
          set -e
          ip link add out type veth peer name in netns \(other.processIdentifier)
          ip addr add 192.0.2.1/24 dev out && ip addr add 198.51.100.7/32 dev out
          ip link set out up
          ip route add default via 192.0.2.2
          ip route add 169.254.169.254 via 192.0.2.2
          """)
        let there = try other.shell(
          """
          set -e
          ip addr add 192.0.2.2/24 dev in && ip link set in up
          for address in 9.9.9.9 10.50.0.5 169.254.169.254; do ip addr add $address/32 dev lo; done
          ip route add 192.0.2.0/24 dev in 2>/dev/null || true
          ip route add 198.51.100.7 via 192.0.2.1
          """)
        guard made.succeeded, there.succeeded else {
          throw TestFailure("no scene: \(made) \(there)")
        }
        let script = """
          import socket, sys, threading
          def datagrams(address):
              s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((address, 81))
              while True:
                  data, peer = s.recvfrom(2000); s.sendto(data, peer)
          for address in sys.argv[1:]:
              threading.Thread(target=datagrams, args=(address,), daemon=True).start()
          s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
          s.bind(("0.0.0.0", 80)); s.listen(); print("up", flush=True)
          held = []
          while True:
              c, peer = s.accept(); c.sendall(b"hello"); held.append(c)
          """
        func serve(_ machine: Namespace, _ addresses: [String]) throws -> RunningCommand {
          let words = machine.wrapper + ["python3", "-uc", script] + addresses
          return try RunningCommand(words[0], Array(words.dropFirst()))
        }
        server = try serve(other, ["9.9.9.9", "10.50.0.5", "169.254.169.254"])
        local = try serve(host, ["127.0.0.1", "198.51.100.7"])
        let up = [server, local]
        guard eventually({ up.allSatisfy { $0.output.contains("up") } }) else {
          throw TestFailure("no servers: \(server.errors) \(local.errors)")
        }
      }

      func remove() {
        server.stop()
        local.stop()
        other.remove()
        host.remove()
      }
    }

    /// Prints "ADDRESS tcp WORD" and "ADDRESS udp WORD": open, refused (a reset), prohibited (ICMP), silent.
    private static func ask(_ addresses: [String]) -> String {
      """
      import errno, socket
      def word(call):
          try: call(); return "open"
          except ConnectionRefusedError: return "refused"
          except TimeoutError: return "silent"
          except OSError as e:
              return "prohibited" if e.errno in (errno.EHOSTUNREACH, errno.EACCES) else str(e)
      def stream(address):
          s = socket.socket(); s.settimeout(3); s.connect((address, 80)); assert s.recv(5) == b"hello"
      def datagram(address):
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
          s.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
          s.connect((address, 81)); s.send(b"x"); s.recv(5)
      for address in "\(addresses.joined(separator: " "))".split():
          print(address, "tcp", word(lambda: stream(address)), "udp", word(lambda: datagram(address)))
      """
    }

    private static let configuration = """
      networks:
        open: {mode: user-v2, gateway: 192.168.110.1}
        internet: {mode: user-v2, gateway: 192.168.111.1, egress: internet}
        rules:
          mode: slirp
          egress:
            default: deny
            rules:
            - {deny: 9.9.9.9, protocol: udp}
            - {allow: [9.9.9.9, 169.254.169.254]}
      """

    @Test func guestsReachWhatTheRulesSayAndHearOfTheRestAtOnce() throws {
      try require(.tap, .root, .program("python3"))
      let scene = try Scene()
      let daemon = try TestDaemon(
        configuration: Self.configuration, wrapper: scene.host.wrapper)
      defer { daemon.stop(); scene.remove() }
      let open = "tcp open udp open"
      let denied = "tcp refused udp prohibited"
      let expected: [(network: String, [String: String])] = [
        (
          "open",
          [
            "9.9.9.9": open, "10.50.0.5": open, "198.51.100.7": open, "192.168.110.2": open,
            "169.254.169.254": denied,
          ]
        ),
        (
          "internet",
          [
            "9.9.9.9": open, "10.50.0.5": denied, "198.51.100.7": denied, "192.0.2.1": denied,
            "192.168.111.2": denied, "169.254.169.254": denied,
          ]
        ),
        (
          "rules",
          [
            "9.9.9.9": "tcp open udp prohibited", "10.50.0.5": denied, "198.51.100.7": denied,
            "192.168.5.2": denied, "169.254.169.254": open,
          ]
        ),
      ]
      for (network, verdicts) in expected {
        let answer = try daemon.guest(
          "python3 - <<'PYTHON'\n\(Self.ask(verdicts.keys.sorted()))\nPYTHON", on: network)
        let lines = Set(answer.output.split(separator: "\n").map(String.init))
        let wanted = Set(verdicts.map { "\($0.key) \($0.value)" })
        #expect(lines == wanted, "\(network): \(answer)")
      }
      // All guests of the network have one address: whose it was is told by its name.
      let guest = try daemon.begin(
        "exec", "rules", "--name", "box", "--", "sh", "-c",
        "python3 -c 'import socket; socket.create_connection((\"10.50.0.5\", 82))' 2>&1; echo tried; sleep 60"
      )
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("tried") }, "\(guest.errors)")
      let named = try daemon.netd("egress", "rules", "--json=lines")
      #expect(
        named.output.split(separator: "\n").contains {
          $0.contains(#""name":"box""#) && $0.contains("10.50.0.5:82")
            && $0.contains(#""guest":"192.168.5.15""#)
        }, "\(named)")
      let denials = try daemon.netd("egress", "rules")
      #expect(denials.output.contains("rules    box  "), "\(denials)")
      #expect(denials.output.contains("9.9.9.9:81"), "\(denials)")
      #expect(denials.output.contains("rule 1"), "\(denials)")
      #expect(denials.output.contains("10.50.0.5:80"), "\(denials)")
      #expect(denials.output.contains("default: deny"), "\(denials)")
    }

    /// Holds a connection to each of two addresses; says what becomes of them, and of a new one.
    private static let holder = """
      import socket
      def connect(address):
          s = socket.socket(); s.settimeout(20); s.connect((address, 80)); assert s.recv(5) == b"hello"
          return s
      company, internet = connect("10.50.0.5"), connect("9.9.9.9")
      print("connected", flush=True)
      try: company.recv(1); print("ended")
      except ConnectionResetError: print("reset")
      try: connect("10.50.0.5"); print("new")
      except ConnectionRefusedError: print("refused")
      internet.sendall(b"x"); connect("9.9.9.9"); print("alive", flush=True)
      """

    @Test func otherRulesEndWhatTheyDenyAndNothingElse() throws {
      try require(.tap, .root, .program("python3"))
      let scene = try Scene()
      let daemon = try TestDaemon(
        configuration: Self.configuration, wrapper: scene.host.wrapper)
      defer { daemon.stop(); scene.remove() }
      let words =
        scene.host.wrapper + [
          Installation.daemon, "exec", "open", "--", "python3", "-uc", Self.holder,
        ]
      let guest = try RunningCommand(
        words[0], Array(words.dropFirst()), environment: daemon.environment)
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("connected") }, "\(guest.errors)")
      let process = try daemon.hostProcess(of: "open")
      try daemon.write(
        configuration: Self.configuration.replacing(
          "gateway: 192.168.110.1}", with: "gateway: 192.168.110.1, egress: internet}"))
      #expect(eventually { guest.output.contains("alive") }, "\(guest.output)")
      #expect(guest.output == "connected\nreset\nrefused\nalive\n")
      #expect(try daemon.hostProcess(of: "open") == process)
      // What ended stands beside what is denied since.
      let listed = try daemon.netd("egress", "open", "--json=lines").output
      #expect(
        listed.split(separator: "\n").contains {
          $0.contains(#""destination":"10.50.0.5:80""#) && $0.contains(#""ended":1"#)
            && $0.contains(#""count":1"#)
        }, "\(listed)")
      let reloaded = try daemon.netd("reload")
      #expect(
        reloaded.succeeded && reloaded.output.contains("network open changed: egress: in force\n"),
        "\(reloaded)")
      // A mistake changes nothing, and is told until it is mended.
      func says(_ text: String) -> Bool {
        (try? daemon.netd("network", "ls").output.contains(text)) ?? false
      }
      let keeper = try daemon.begin("exec", "open", "--", "sleep", "60")
      defer { keeper.stop() }
      #expect(try eventually { try daemon.netd("guest", "ls").output.contains("open") })
      try daemon.write(
        configuration: Self.configuration.replacing(
          "gateway: 192.168.110.1}", with: "gateway: 192.168.110.1, egress: interent}"))
      #expect(eventually { says("interent is no preset: internet, none, all") })
      let refused = try daemon.netd("reload")
      #expect(
        refused.status == 1 && refused.output.contains("network open changed: egress: refused")
          && refused.output.contains("interent is no preset"), "\(refused)")
      try daemon.write(
        configuration: Self.configuration.replacing(
          "gateway: 192.168.110.1}", with: "gateway: 192.168.110.1, egress: internet}"))
      #expect(eventually { !says("interent") })
    }
  }
}

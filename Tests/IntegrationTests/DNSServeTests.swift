// SPDX-License-Identifier: Apache-2.0
//
// `dns serve`: a DNS plugin on loopback without a daemon, asked by dig and from a guest through
// the rules of `dns guest-rules`.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct DNSServeTests {
    /// A server, and the ports it printed.
    private final class Server {
      let command: RunningCommand
      let udp: Int
      let tcp: Int

      init(_ arguments: [String]) throws {
        let command = try RunningCommand(
          Installation.daemon, ["dns", "serve", "--json"] + arguments,
          environment: ["LIMA_NETD_LOG": "info"])
        self.command = command
        guard
          eventually(
            { command.output.contains("}\n") || !command.process.isRunning }),
          let object = try? JSONSerialization.jsonObject(with: Data(command.output.utf8))
            as? [String: Any], let udp = object["udp"] as? Int, let tcp = object["tcp"] as? Int
        else { throw TestFailure("it does not serve: \(command.output) \(command.errors)") }
        self.udp = udp
        self.tcp = tcp
      }

      func dig(_ arguments: String...) throws -> String {
        try run("dig", ["@127.0.0.1", "-p", "\(udp)", "+time=2", "+tries=1"] + arguments).output
      }
    }

    @Test func `a question that two processes have died over is answered SERVFAIL by the third`()
      throws
    {
      try require(.program("dig"))
      let folder = try compilePlugin(
        "IntegrationTests/Fixtures/plugins/fragile.c", "lima-dns-fragile.so")
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let server = try Server(["--plugin", folder + "/lima-dns-fragile.so"])
      defer { server.command.stop() }
      // One question, without a second try: whoever has no answer says so after a minute.
      let fatal = try run(
        "dig", ["@127.0.0.1", "-p", "\(server.udp)", "+time=60", "+tries=1", "always.test"],
        seconds: 70)
      #expect(fatal.output.contains("status: SERVFAIL"), "\(fatal) \(server.command.errors)")
      let deaths = server.command.errors.components(separatedBy: "starting it again").count - 1
      #expect(deaths == 2, "\(server.command.errors)")
      #expect(try server.dig("+time=30", "other.test").contains("status: NXDOMAIN"))
    }

    @Test func theZoneExampleIsServedOverUDPAndTCPWithOwnNames() throws {
      try require(.program("dig"), .program("make"))
      let example = try ExamplePlugin(zone: "lab.zone")
      defer { example.remove() }
      // It needs no Swift: nothing but the C library.
      #expect(!(try run("ldd", [example.file]).output.contains("swift")))
      let server = try Server([
        "--plugin", example.file, "--options", #"{"file": "\#(example.zone)"}"#,
        "--host", "db.internal=10.0.0.5", "--host", "sql.internal=db.internal", "--no-ipv6",
      ])
      defer { server.command.stop() }
      #expect(try server.dig("+short", "www.lab.test") == "192.0.2.80\n")
      #expect(try server.dig("+short", "sql.internal") == "db.internal.\n10.0.0.5\n")
      #expect(try server.dig("+noall", "+comments", "nix.lab.test").contains("NXDOMAIN"))
      #expect(try server.dig("+noall", "+comments", "example.com").contains("REFUSED"))
      // Too large for 512 octets: cut, and whole by TCP.
      let cut = try server.dig("+noedns", "+ignore", "big.lab.test", "TXT")
      #expect(cut.contains(" tc"), "\(cut)")
      let whole = try run(
        "dig",
        [
          "@127.0.0.1", "-p", "\(server.tcp)", "+tcp", "+keepopen", "+short", "big.lab.test", "TXT",
          "www.lab.test", "A",
        ])
      #expect(whole.output.contains("192.0.2.80") && whole.output.count > 560, "\(whole)")
      // The command asks it as well; the status is the answer's code.
      let address = "127.0.0.1:\(server.udp)"
      #expect(server.udp == server.tcp)
      for (words, status, output) in [
        (["www.lab.test", "--short"], 0, "192.0.2.80"),
        (["sql.internal", "+short"], 0, "10.0.0.5"),
        (["nix.lab.test"], 3, "nix.lab.test does not exist"), (["example.com"], 5, "REFUSED"),
        (["-x", "10.0.0.5"], 0, "PTR\tdb.internal."),
        (["big.lab.test", "TXT", "--udp", "--no-edns"], 0, "none of the answer fits"),
        (["big.lab.test", "TXT", "--no-edns"], 0, ";; cut over UDP, asked again over TCP"),
        (["big.lab.test", "TXT", "--tcp"], 0, "bytes over TCP"),
        (["www.lab.test", "A", "TXT", "--json"], 0, #""retried""#),
      ] as [([String], Int32, String)] {
        let result = try run(
          Installation.daemon, ["dns", "query"] + words + ["--server", address])
        #expect(result.status == status && result.output.contains(output), "\(result)")
        #expect(result.errors.isEmpty, "\(result)")
      }
      // The file changes while it serves: the host forgets, too, that the name was missing.
      #expect(try server.dig("+noall", "+comments", "new.lab.test").contains("NXDOMAIN"))
      let text = try String(contentsOfFile: example.zone, encoding: .utf8)
      try (text + "new A 192.0.2.99\n").write(
        toFile: example.zone, atomically: true, encoding: .utf8)
      #expect(
        eventually { server.command.errors.contains("read anew") }, "\(server.command.errors)")
      #expect(try server.dig("+short", "new.lab.test") == "192.0.2.99\n")

      server.command.process.terminate()
      let result = server.command.wait(seconds: 10)
      #expect(result.status == 0, "\(result)")
    }

    @Test func theExamplesOwnTestsPass() throws {
      try require(.program("make"))
      let result = try run("make", ["-s", "-C", ExamplePlugin.source, "test"], seconds: 120)
      #expect(result.succeeded && result.output.contains("all tests passed"), "\(result)")
    }

    @Test func aCrashedProcessIsReplacedBehindTheSamePorts() throws {
      try require(.program("dig"), .program("pgrep"))
      let server = try Server(["--host", "a.internal=10.0.0.1"])
      defer { server.command.stop() }
      #expect(try server.dig("+short", "a.internal") == "10.0.0.1\n")
      let parent = server.command.process.processIdentifier
      let child = try run("pgrep", ["-P", "\(parent)"]).output
      kill(try #require(Int32(child.trimmingCharacters(in: .whitespacesAndNewlines))), SIGKILL)
      #expect(
        try eventually { try server.dig("+short", "a.internal") == "10.0.0.1\n" },
        "\(server.command.errors)")
      #expect(server.command.errors.contains("the process of DNS plugin hostdns "))
      #expect(server.command.errors.contains("killed by SIGKILL; starting it again"))
    }

    /// Standard error that is a file: it ends at its limit, and goes on when somebody has emptied it.
    @Test func aFileThatTakesItsErrorsIsBounded() throws {
      try require(.program("dig"), .program("pgrep"), .program("truncate"))
      let folder = try TestDaemon(start: false)
      defer { folder.stop() }
      let file = folder.home + "/errors"
      func text() throws -> String { try String(contentsOfFile: file, encoding: .utf8) }
      func size() throws -> Int { try text().utf8.count }
      try run("truncate", ["-s", "8M", file])
      let server = try RunningCommand(
        "sh",
        [
          "-c",
          "exec \(Installation.daemon) dns serve --json --host a.internal=10.0.0.1 2>>\(file)",
        ], environment: ["LIMA_NETD_LOG": "debug"])
      defer { server.stop() }
      #expect(eventually { server.output.contains("}\n") }, "\(server.errors)")
      #expect(
        try eventually { try text().hasSuffix("what follows is left out until it is emptied\n") })
      func child() throws -> Int32? {
        let parent = server.process.processIdentifier
        return Int32(
          try run("pgrep", ["-P", "\(parent)"]).output
            .trimmingCharacters(in: .whitespacesAndNewlines))
      }
      // Neither the command nor the process says anything more there, also after another one has begun.
      let before = try size()
      let first = try #require(try child())
      kill(first, SIGKILL)
      #expect(try eventually { try child().map { $0 != first } ?? false })
      #expect(try size() == before)
      try run("truncate", ["-s", "0", file])
      // Some looks later.
      #expect(
        try eventually {
          if let process = try child() { kill(process, SIGKILL) }
          return try text().contains("starting it again")
        })
    }

    @Test func aServerThatIsNotThereIsToldAtOnce() throws {
      let port = try freePort()
      for transport in ["--udp", "--tcp"] {
        let result = try run(
          Installation.daemon,
          ["dns", "query", "a.test", "--server", "127.0.0.1:\(port)", transport])
        #expect(result.status == 1 && result.output.isEmpty, "\(result)")
        #expect(result.errors.contains("Nobody listens at 127.0.0.1:\(port)"), "\(result)")
        #expect(result.errors.contains("lima-netd dns serve --port \(port)"), "\(result)")
      }
    }

    @Test func aServerThatCutsItsAnswerAndHasNoTCPIsTold() throws {
      try require(.program("python3"))
      let server = try RunningCommand(
        "python3",
        [
          "-uc",
          """
          import socket
          s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
          s.bind(("127.0.0.1", 0))
          print(s.getsockname()[1])
          while True:
              query, peer = s.recvfrom(65535)
              end = query.index(b"\\0", 12) + 5
              s.sendto(query[:2] + b"\\x87\\x80\\0\\1\\0\\0\\0\\0\\0\\0" + query[12:end], peer)
          """,
        ])
      defer { server.stop() }
      #expect(eventually { server.output.contains("\n") })
      let address = "127.0.0.1:\(server.output.trimmingCharacters(in: .whitespacesAndNewlines))"
      let result = try run(
        Installation.daemon, ["dns", "query", "a.test", "--server", address])
      #expect(result.status == 1 && result.output.isEmpty, "\(result)")
      #expect(
        result.errors.contains("cut over UDP, and there is none over TCP: Nobody listens at"),
        "\(result)")
      let cut = try run(
        Installation.daemon, ["dns", "query", "a.test", "--udp", "--server", address])
      #expect(cut.status == 0 && cut.output.contains("none of the answer fits"), "\(cut)")
    }

    @Test func mistakesAreTold() throws {
      let cases = [
        (["--plugin", "nothing"], "no DNS plugin is called `nothing`"),
        (["--options", "x"], "--options is no JSON object"),
        (["--options", #"{"timeout": "x"}"#], "--options: timeout: "),
        (["--host", "a"], "write NAME=ADDRESS"),
        (["--host", "a=b", "--host", "a=10.0.0.1"], "an alias stands alone"),
      ]
      for (arguments, message) in cases {
        let result = try run(Installation.daemon, ["dns", "serve"] + arguments)
        #expect(!result.succeeded && result.errors.contains(message), "\(result)")
      }
    }

    @Test(arguments: ["iptables", "nft"])
    func guestRulesLeadAGuestsQuestionsToTheServer(format: String) throws {
      try require(.tap, .root, .program("dig"), .program(format))
      let server = try Server(["--host", "only.here.test=10.9.8.7"])
      let daemon = try TestDaemon()
      defer { daemon.stop(); server.command.stop() }
      let rules = try run(
        Installation.daemon,
        [
          "dns", "guest-rules", "--udp", "\(server.udp)", "--tcp", "\(server.tcp)", "--format",
          format,
        ])
      #expect(rules.succeeded, "\(rules)")
      let file = daemon.home + "/rules"
      try rules.output.write(toFile: file, atomically: true, encoding: .utf8)
      let wrong = try run(
        Installation.daemon,
        ["dns", "guest-rules", "--udp", "1", "--tcp", "1", "--format", format])
      try wrong.output.write(toFile: file + ".old", atomically: true, encoding: .utf8)
      let dig = "dig +short +time=2 +tries=2 @192.168.5.3 only.here.test"
      // Those of an earlier boot are replaced, and twice is as good as once.
      let list = format == "nft" ? "nft list ruleset" : "iptables-save -t nat"
      let result = try daemon.guest(
        """
        set -e
        sh \(file).old; sh \(file); sh \(file)
        \(dig); \(dig) +tcp
        \(list) | grep -c 192.168.5.2
        """)
      #expect(result.output == "10.9.8.7\n10.9.8.7\n2\n", "\(result)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Commands that run at once, or with less than a shell gives them.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct CommandEdgeTests {
    @Test func `networks that are created at once are all there`() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let all = try run(
        "sh",
        [
          "-c",
          """
          for i in 1 2 3 4 5 6 7 8; do
            '\(Installation.daemon)' network create c$i --gateway 10.77.$i.1/24 --lima-home '\(daemon.home)' &
          done; wait
          """,
        ])
      #expect(all.succeeded, "\(all)")
      let file = try String(
        contentsOfFile: daemon.home + "/_config/networks.yaml", encoding: .utf8)
      for index in 1...8 { #expect(file.contains("\n  c\(index):"), "\(file)") }
    }

    @Test func `an editor never brings back networks.yaml as it was before another command`() throws
    {
      let daemon = try TestDaemon(configuration: "networks: {}\n", start: false)
      defer { daemon.stop() }
      let file = daemon.home + "/_config/networks.yaml"
      func text(_ path: String) -> String {
        (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
      }
      func edit(_ editor: String) throws -> CommandResult {
        try run(
          Installation.daemon, ["network", "edit"],
          environment: daemon.environment.merging(["EDITOR": editor]) { $1 })
      }
      func create(_ name: String, _ subnet: Int) throws {
        let made = try daemon.netd(
          "network", "create", name, "--mode", "user-v2", "--gateway", "10.99.\(subnet).1/24")
        #expect(made.succeeded, "\(made)")
      }
      // One that changed nothing leaves no copy.
      #expect(try !edit("false").succeeded)
      #expect(!FileManager.default.fileExists(atPath: file + ".edit"))
      // One that saved something and failed does.
      let failed = try edit("f() { echo '# mine' >>$1; return 3; }; f")
      #expect(failed.errors.contains("lima-netd network edit"), "\(failed)")
      let resumed = try edit("true")
      #expect(resumed.errors.contains("goes on with the text"), "\(resumed)")
      #expect(text(file).contains("# mine"))
      // And not over what came since.
      #expect(try !edit("f() { echo '# two' >>$1; return 3; }; f").succeeded)
      try create("la", 1)
      let begun = try edit("true")
      #expect(begun.output.contains("Nothing is changed"), "\(begun)")
      #expect(begun.errors.contains(".edit.old"), "\(begun)")
      #expect(text(file).contains("  la:") && text(file + ".edit.old").contains("# two"))
      // Nor over what came while it was open.
      let netd = "'\(Installation.daemon)' network create lb --gateway 10.99.2.1/24"
      let overtaken = try edit("f() { \(netd); echo '# three' >>$1; }; f")
      #expect(overtaken.errors.contains("changed meanwhile"), "\(overtaken)")
      #expect(text(file).contains("  lb:") && !text(file).contains("# three"))
      #expect(text(file + ".edit.old2").contains("# three"))
    }

    @Test(arguments: ["status", "network ls", "plugin ls"])
    func `a command whose standard output is closed says that of nothing else`(
      words: String
    ) throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let result = try run(
        "sh", ["-c", "'\(Installation.daemon)' \(words) --lima-home '\(daemon.home)' >&-"])
      #expect(result.status == 1)
      #expect(
        result.errors == "Error: Standard output could not be written: Bad file descriptor\n",
        "\(result)")
    }

    @Test func `a daemon that was started without standard streams serves`() throws {
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let result = try run(
        "sh",
        [
          "-c",
          """
          '\(Installation.daemon)' serve --lima-home '\(daemon.home)' <&- >&- 2>&- & server=$!
          for i in $(seq 200); do
            [ -S '\(daemon.home)/_networks/lima-netd.sock' ] && break
            sleep 0.05
          done
          '\(Installation.daemon)' status --lima-home '\(daemon.home)'
          readlink /proc/$server/fd/0 /proc/$server/fd/1 /proc/$server/fd/2
          kill $server; wait $server
          """,
        ])
      #expect(result.succeeded, "\(result)")
      #expect(result.output.hasSuffix("/dev/null\n/dev/null\n/dev/null\n"), "\(result)")
    }
  }
}

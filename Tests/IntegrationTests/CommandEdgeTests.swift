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

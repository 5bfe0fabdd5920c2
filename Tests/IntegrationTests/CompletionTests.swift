// SPDX-License-Identifier: Apache-2.0
//
// What a shell offers for the word that is typed, with the shells themselves.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct CompletionTests {
    @Test func `bash offers values, and names of networks, guests and plugins`() throws {
      try require(.tap, .program("bash"))
      let daemon = try TestDaemon(configuration: "networks: {lab: {mode: slirp}}\n")
      defer { daemon.stop() }
      let guest = try daemon.begin("exec", "lab", "--name", "web", "--", "sleep", "60")
      defer { guest.stop() }
      #expect(eventually { (try? daemon.network("lab")["guests"] as? [Any])??.count == 1 })
      let lines: [(String, [String])] = [
        ("network create x --mode ", ["bridged", "host", "shared", "slirp", "user-v2"]),
        ("dns query --network ", ["default", "lab", "user-v2"]),
        ("network delete ", ["default", "lab", "user-v2"]),
        (
          "serve --log-level ",
          ["trace", "debug", "info", "notice", "warning", "error", "critical"]
        ),
        ("forward add lab tcp 80 192.168.5.15:80 --guest ", ["web"]),
        ("guest inspect lab ", ["web"]), ("exec l", ["lab"]), ("recommend --from h", ["host"]),
        ("plugin info sl", ["slirp"]), ("help st", ["status", "stop"]), ("st", ["status", "stop"]),
      ]
      let script = """
        . <('\(Installation.daemon)' completions bash)
        complete_function=$(complete -p lima-netd | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        cd "$LIMA_HOME" && PATH="$(dirname '\(Installation.daemon)'):$PATH"
        while IFS= read -r COMP_LINE; do
          COMP_POINT=${#COMP_LINE}
          read -ra COMP_WORDS <<<"$COMP_LINE"
          case $COMP_LINE in *' ') COMP_WORDS+=('') ;; esac
          COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
          $complete_function lima-netd "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
          echo "${COMPREPLY[@]}"
        done <<'END'
        \(lines.map { "lima-netd \($0.0)" }.joined(separator: "\n"))
        END
        """
      let result = try run("bash", ["-c", script], environment: daemon.environment, seconds: 60)
      let offered = result.output.split(separator: "\n", omittingEmptySubsequences: false)
      try #require(offered.count > lines.count, "\(result)")
      for (line, words) in zip(offered, lines) {
        #expect(
          line.split(separator: " ").map(String.init).sorted() == words.1.sorted(),
          "\(words.0): \(line)")
      }
    }
  }
}

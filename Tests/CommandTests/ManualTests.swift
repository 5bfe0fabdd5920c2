// SPDX-License-Identifier: Apache-2.0
//
// The man pages say what --help says.

import Foundation
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(1))) struct ManualTests {
  private static func commands(_ command: CommandDescription, _ above: [String] = []) -> [[String]]
  {
    let path = above + [command.commandName]
    return [path]
      + (command.subcommands ?? []).filter { $0.shouldDisplay != false && $0.commandName != "help" }
      .flatMap { commands($0, path) }
  }

  @Test func `each command has a page, and each of its options is in it`() throws {
    let pages = try Manual.pages()
    let names = Set(pages.map(\.file))
    #expect(names.count == pages.count)
    for name in [
      "lima-netd.1", "lima-netd-network-create.1", "lima-netd-dns-cache-flush.1",
      "lima-netd-service-install.1", "lima-netd-logs.1", "lima-netd-guest-disconnect.1",
    ] {
      #expect(names.contains(name))
    }
    // Those that no --help has.
    #expect(!names.contains("lima-netd-manual.1") && !names.contains("lima-netd-tap-pair.1"))
    let serve = try #require(pages.first { $0.file == "lima-netd-serve.1" }).text
    for option in ["plugin\\-dir", "config", "grace\\-period", "log\\-level", "lima\\-home"] {
      #expect(serve.contains("\\fB\\-\\-\(option)\\fR"), "\(option)")
    }
  }

  @Test func `a command that is run stands behind --`() throws {
    let pages = try Manual.pages()
    for name in ["exec", "tap"] {
      let text = try #require(pages.first { $0.file == "lima-netd-\(name).1" }).text
      let synopsis = try #require(
        text.components(separatedBy: ".SH ").first { $0.hasPrefix("SYNOPSIS") })
      #expect(synopsis.contains("[\\fB\\-\\-\\fR \\fIcommand\\fR ...]"), "\(synopsis)")
    }
  }

  @Test func `examples stay as they are, and text is filled`() {
    #expect(
      Troff.prose("One `two`.\n\n  lima-netd ls\n  .x\n\nThree.") == [
        "One \\fBtwo\\fR.", ".PP", ".RS 4", ".nf", "lima\\-netd ls", "\\&.x", ".fi", ".RE",
        ".PP", "Three.",
      ])
  }

  @Test func `what means something to troff stands for itself`() {
    #expect(Troff.text(#"a-b\c'~^"#) == #"a\-b\ec\(aq\(ti\(ha"#)
    #expect(Troff.line(".x") == "\\&.x")
    #expect(Troff.line("an odd ` one") == "an odd \\(ga one")
  }
}

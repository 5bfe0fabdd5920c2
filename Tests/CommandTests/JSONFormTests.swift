// SPDX-License-Identifier: Apache-2.0
//
// --json: which commands have it, its two forms, and what of commands' words is taken for it.

import ArgumentParser
import Testing

@testable import Daemon
@testable import lima_netd

@Suite(.timeLimit(.minutes(1))) struct JSONFormTests {
  /// What they print is not theirs (a command's output, a capture, a script), or nothing.
  private static let without: Set<String> = [
    "serve", "exec", "tap", "tap-pair", "capture", "completions", "manual", "plugin run",
    "plugin fuzz", "config schema", "sandbox", "upgrade-check",
  ]

  private static func leaves(
    _ command: any ParsableCommand.Type, _ path: [String] = []
  ) -> [(path: String, type: any ParsableCommand.Type)] {
    let below = command.configuration.subcommands
    guard !below.isEmpty else { return [(path.joined(separator: " "), command)] }
    return below.flatMap { leaves($0, path + [$0._commandName]) }
  }

  @Test func `every command that shows or changes something has --json`() {
    let commands = Self.leaves(LimaNetd.self)
    #expect(commands.count > 40)
    for command in commands {
      let help = LimaNetd.helpMessage(for: command.type)
      #expect(
        help.contains("--json ") == !Self.without.contains(command.path), "\(command.path)")
      #expect(!help.contains("--json-lines"), "\(command.path)")
    }
    #expect(Self.without.isSubset(of: commands.map(\.path)))
  }

  @Test func `with a value it is the other form, up to the words of another program`() throws {
    #expect(
      try JSONForm.split(["guest", "ls", "--json=lines"]) == ["guest", "ls", "--json-lines"])
    #expect(try JSONForm.split(["guest", "ls", "--json"]) == ["guest", "ls", "--json"])
    let words = ["exec", "lab", "--", "ip", "--json=lines", "--json=x"]
    #expect(try JSONForm.split(words) == words)
    #expect(throws: CommandFailure.self) { try JSONForm.split(["status", "--json=line"]) }
    #expect(try JSONForm.split([]).isEmpty)
  }

  @Test func `a list is one object a line, anything else one line`() throws {
    struct Row: Encodable {
      let name: String
      let text = "two\nlines"
    }
    #expect(
      try JSONForm.lines([Row(name: "a"), Row(name: "b")])
        == #"{"name":"a","text":"two\nlines"}"# + "\n" + #"{"name":"b","text":"two\nlines"}"#)
    #expect(try JSONForm.lines(Row(name: "a")) == #"{"name":"a","text":"two\nlines"}"#)
    #expect(try JSONForm.lines([Row]()).isEmpty)
  }

  @Test func `a line of a log is taken apart`() {
    let text = """
      2026-01-01T00:00:01.000Z WARN  network lab: it is late
        and more
      no time
      2026-01-01T00:00:02.000Z something
      """
    let records = LogEntry.parse(text, filter: nil).map(\.record)
    #expect(
      records == [
        .init(
          time: "2026-01-01T00:00:01.000Z", level: "WARN",
          text: "network lab: it is late\n  and more"),
        .init(time: nil, level: nil, text: "no time"),
        .init(time: "2026-01-01T00:00:02.000Z", level: nil, text: "something"),
      ])
  }

  @Test func `a command without its -- is told where that belongs`() {
    let hint = CommandWords.terminated(["exec", "default", "curl", "-s", "x y"])
    #expect(
      hint?.hasSuffix("behind `--`:  lima-netd exec default -- curl -s 'x y'") == true,
      "\(hint ?? "")")
    #expect(
      CommandWords.terminated(["tap", "lab", "--mtu", "9000", "qemu"])?
        .hasSuffix("lima-netd tap lab --mtu 9000 -- qemu") == true)
    for words in [
      ["exec", "default", "--nmae", "web"], ["exec", "default", "-p", "99999:80"], ["exec"],
      ["exec", "default", "--mtu", "1", "--", "true"], ["tap", "default"],
      ["status", "default", "x"],
    ] {
      #expect(CommandWords.terminated(words) == nil, "\(words)")
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct DoctorSubjectTests {
  private func facts() -> HostFacts {
    var facts = HostFacts(
      system: .linux, home: LimaHome(path: "/h", workingDirectory: "/"), user: .init(uid: 1000))
    facts.configuration.networks =
      NetworkConfiguration.builtins
      + [
        NetworkConfiguration(
          name: "lab", builtin: false, settings: .init(mode: "shared"), marks: [:]),
        NetworkConfiguration(
          name: "odd", builtin: false, settings: .init(mode: "vde"), marks: [:]),
      ]
    return facts
  }

  @Test func `doctor takes modes and networks`() throws {
    let all = try DoctorSubject([], facts())
    #expect(all.shown == Set(DoctorModes.all) && all.networks.count == 4)
    let lab = try DoctorSubject(["lab", "default"], facts())
    #expect(lab.modes.isEmpty && lab.shown == ["shared", "slirp"])
    #expect(lab.networks.map(\.name) == ["default", "lab"])
    // A mode as well as a network: the mode.
    let mode = try DoctorSubject(["user-v2"], facts())
    #expect(mode.modes == ["user-v2"] && mode.networks.map(\.name) == ["user-v2"])
    #expect(throws: CommandFailure.self) { try DoctorSubject(["odd"], facts()) }
    do {
      _ = try DoctorSubject(["sharde"], facts())
      Issue.record("sharde is no mode")
    } catch {
      #expect("\(error)" == "There is no mode and no network `sharde`: did you mean `shared`?")
    }
    var refused = facts()
    refused.configuration.error = "f:1:1: no"
    #expect(throws: CommandFailure("There is no mode `x`, and networks are not known: f:1:1: no")) {
      try DoctorSubject(["x"], refused)
    }
  }
}

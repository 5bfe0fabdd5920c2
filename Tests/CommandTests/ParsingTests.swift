// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Testing

@testable import lima_netd

@Suite(.timeLimit(.minutes(5))) struct ParsingTests {
  private func parse<Command: ParsableCommand>(_ arguments: String..., as type: Command.Type) throws
    -> Command
  {
    try #require(try LimaNetd.parseAsRoot(arguments) as? Command)
  }

  /// What the user reads when it goes wrong.
  private func refusal(_ arguments: [String]) -> String? {
    do {
      _ = try LimaNetd.parseAsRoot(arguments)
      return nil
    } catch {
      return LimaNetd.fullMessage(for: error)
    }
  }

  @Test func execLeavesTheCommandsOptionsToTheCommand() throws {
    let exec = try parse(
      "exec", "default", "--mtu", "9000", "--name", "web", "--", "ip", "--json", "addr",
      as: Exec.self)
    #expect(exec.network == "default")
    #expect(exec.guest.mtu == 9000)
    #expect(exec.guest.name == "web")
    #expect(exec.command == ["ip", "--json", "addr"])
  }

  @Test func execWithoutACommandShowsHowToGiveOne() throws {
    let message = try #require(refusal(["exec", "lab"]))
    #expect(message.contains("lima-netd exec lab -- ip addr"))
  }

  @Test(arguments: ["575", "65521", "-1"])
  func anMTUNoInterfaceCanHaveIsRefused(mtu: String) throws {
    let message = try #require(refusal(["exec", "default", "--mtu=\(mtu)", "--", "true"]))
    #expect(message.contains("576 to 65520"))
  }

  @Test func whatIsWaitedForIsParsedWithoutTheOtherCommands() throws {
    let exec = try #require(
      Main.alone(["exec", "default", "--mtu", "9000", "--", "ls", "--help"]) as? Exec)
    #expect(exec.network == "default")
    #expect(exec.guest.mtu == 9000)
    #expect(exec.command == ["ls", "--help"])
    let attach = try #require(Main.alone(["attach", "lab", "--netns", "7"]) as? Attach)
    #expect(attach.network == "lab")
    #expect(attach.netns == "7")
    #expect(Main.alone(["serve", "--config", "x.yaml"]) is Serve)
  }

  @Test(arguments: [
    [], ["--version"], ["status"], ["--log-level", "debug"], ["help", "serve"],
    ["exec", "--help"], ["attach", "--version"], ["exec", "default"], ["attach", "--nonsense"],
    ["serve", "--log-level", "loud"], ["attach", "--generate-completion-script", "bash"],
  ])
  func allElseIsForTheWholeTree(arguments: [String]) {
    #expect(Main.alone(arguments).map { "\($0)" } == nil)
  }

  @Test func attachTakesAllItsOptions() throws {
    let attach = try parse(
      "attach", "default", "--netns", "/run/netns/x", "--tap", "tap7", "--mtu", "65520", "--mac",
      "52:55:55:01:02:03", "--no-config", "--ready-fd", "5", "--lima-home", "/h", as: Attach.self)
    #expect(attach.netns == "/run/netns/x")
    #expect(attach.tap == "tap7")
    #expect(attach.guest.mac?.bytes == [0x52, 0x55, 0x55, 1, 2, 3])
    #expect(attach.noConfiguration)
    #expect(attach.readyDescriptor == 5)
    #expect(try attach.home.resolve().attachSocket == "/h/_networks/lima-netd_attach.sock")
  }

  @Test(arguments: ["", "a b", "a/b", "an-interface-too-long"])
  func aNameNoInterfaceCanHaveIsRefused(name: String) {
    #expect(refusal(["attach", "default", "--netns", "1", "--tap", name]) != nil)
  }

  @Test(arguments: [
    "52:55:55:01:02", "52:55:55:01:02:03:04", "53:55:55:01:02:03", "00:00:00:00:00:00",
    "52:55:55:01:02:0g", "525555010203", "52:55:55:01:02:003", "",
  ])
  func whatIsNoHardwareAddressIsRefused(text: String) {
    #expect(MACAddressArgument(argument: text) == nil)
  }

  @Test func aHardwareAddressMayHaveDashes() {
    #expect(MACAddressArgument(argument: "52-55-55-a-B-3")?.bytes == [0x52, 0x55, 0x55, 10, 11, 3])
  }

  @Test func forwardsAreAddedInTheOrderTheyLead() throws {
    let add = try parse(
      "forward", "add", "default", "tcp", "127.0.0.1:5301", "192.168.5.15:5301", "--guest", "web",
      as: ForwardAdd.self)
    #expect(add.network == "default")
    #expect(add.protocol == .tcp)
    #expect(add.host == "127.0.0.1:5301")
    #expect(add.target == "192.168.5.15:5301")
    #expect(add.guest == "web")
  }

  @Test func theEndsOfAForwardAreBroughtIntoForm() throws {
    #expect(try ForwardAddress.host("8080", .tcp) == "127.0.0.1:8080")
    #expect(try ForwardAddress.host("[::1]:8080", .udp) == "[::1]:8080")
    #expect(try ForwardAddress.host("/run/x.sock", .unix) == "/run/x.sock")
    #expect(try ForwardAddress.host("x.sock", .unix).hasSuffix("/x.sock"))
    #expect(throws: ValidationError.self) { try ForwardAddress.host("127.0.0.1", .tcp) }
    #expect(throws: ValidationError.self) { try ForwardAddress.host("127.0.0.1:0", .tcp) }
    #expect(throws: ValidationError.self) { try ForwardAddress.host("127.0.0.1:65536", .tcp) }
    #expect(throws: ValidationError.self) { try ForwardAddress.guest("80") }
    #expect(throws: ValidationError.self) { try ForwardAddress.guest(":80") }
  }

  @Test func namesAndTypesNoDNSKnowsAreRefusedBeforeAsking() throws {
    let query = try parse("dns", "query", "example.com", "aaaa", as: DNSQuery.self)
    #expect(query.network == "default")
    #expect(try #require(refusal(["dns", "query", "a..b"])).contains("a..b"))
    #expect(try #require(refusal(["dns", "query", "a.b", "NOSUCH"])).contains("TYPE65"))
  }

  @Test(
    arguments: [
      ("example.com", nil, "example.com", "A"),
      ("example.com", "mx", "example.com", "MX"),
      ("192.168.5.2", nil, "2.5.168.192.in-addr.arpa.", "PTR"),
      ("192.168.5.2", "ptr", "2.5.168.192.in-addr.arpa.", "PTR"),
      ("192.168.5.2", "A", "192.168.5.2", "A"),
      ("192.168.5", nil, "192.168.5", "A"),
      ("example.com", "PTR", "example.com", "PTR"),
      (
        "fd00::1", nil, "1" + String(repeating: ".0", count: 29) + ".d.f.ip6.arpa.", "PTR"
      ),
    ] as [(String, String?, String, String)])
  func anAddressIsAskedForItsNames(word: String, type: String?, name: String, asked: String) throws
  {
    let words = ["dns", "query", word] + (type.map { [$0] } ?? [])
    let query = try #require(try LimaNetd.parseAsRoot(words) as? DNSQuery)
    #expect(query.question.name == name)
    #expect(query.question.type == asked)
  }

  @Test func captureRefusesLengthsThatMakeNoSense() {
    #expect(refusal(["capture", "default", "-w", "x.pcap", "--snaplen", "5"]) != nil)
    #expect(refusal(["capture", "default"])?.contains("-w") == true)
  }

  @Test func everyCommandTeachesByExample() {
    func visit(_ command: any ParsableCommand.Type) {
      let configuration = command.configuration
      #expect(!configuration.abstract.isEmpty, "\(command)")
      let simple: [any ParsableCommand.Type] = [
        NetworkList.self, NetworkInspect.self, NetworkStart.self, NetworkStop.self,
        ForwardList.self,
        DNS.self, PluginList.self,
      ]
      if !simple.contains(where: { $0 == command }) {
        #expect(configuration.discussion.contains("lima-netd "), "\(command)")
      }
      for child in configuration.subcommands { visit(child) }
    }
    visit(LimaNetd.self)
  }

  @Test(arguments: ["bash", "zsh", "fish"])
  func eachShellGetsCompletionsOfEveryCommand(name: String) throws {
    let shell = try #require(CompletionShell(rawValue: name))
    let script = LimaNetd.completionScript(for: shell)
    for word in ["exec", "attach", "forward", "capture", "--lima-home"] {
      #expect(script.contains(word.replacing("--", with: name == "fish" ? "" : "--")), "\(word)")
    }
    #expect(refusal(["completions", "tcsh"])?.contains("bash, zsh and fish") == true)
  }
}

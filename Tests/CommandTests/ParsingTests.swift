// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Platform
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

  @Test func `a mapped address of a DNS server is written as IPv4`() throws {
    let exec = try parse(
      "exec", "lab", "--dns", "::ffff:10.9.0.1", "--dns", "fd00::3", as: Exec.self)
    #expect(exec.lease.dns == ["10.9.0.1", "fd00::3"])
  }

  @Test func execWithoutACommandIsTheUsersShell() throws {
    let exec = try parse("exec", "lab", as: Exec.self)
    #expect(exec.command == [UserShell.path] && UserShell.path.hasPrefix("/"))
    let message = try #require(refusal(["tap", "lab"]))
    #expect(message.contains("lima-netd tap lab -- qemu-system-x86_64"))
  }

  @Test(
    arguments: [
      ("8080:80", "tcp 127.0.0.1:8080 80"), ("80", "tcp 127.0.0.1:80 80"),
      ("0:80", "tcp 127.0.0.1:0 80"), ("5353:53/udp", "udp 127.0.0.1:5353 53"),
      ("0.0.0.0:8080:80/tcp", "tcp 0.0.0.0:8080 80"), ("[::1]:8080:80", "tcp [::1]:8080 80"),
      ("8080:0", nil), ("8080:80:90:1", nil), ("x:80", nil), ("", nil), (":80", nil),
      ("8080:80/sctp", nil), ("70000:80", nil), ("[::1]8080:80", nil), ("8080:80/tcp/udp", nil),
    ] as [(String, String?)])
  func aPublishedPortIsAsDockerWritesIt(text: String, forward: String?) {
    let published = try? PublishedPort(text).forward
    #expect(
      published.map { "\($0.protocol) \($0.host) \($0.guest ?? "")" } == forward)
  }

  @Test(arguments: [
    ("99999:80", "-p 99999:80: `99999` is no port: a port is 0 to 65535, 0 any that is free"),
    ("80:0", "`0` is no port: a port is 1 to 65535"), ("80:http", "`http` is no port"),
    ("80:80/sctp", "`sctp` is no protocol"), ("80:", "write HOSTPORT:GUESTPORT"),
  ])
  func aPublishedPortThatIsNoneIsToldWhy(text: String, why: String) throws {
    let message = try #require(refusal(["exec", "default", "-p", text, "--", "true"]))
    #expect(message.contains(why), "\(message)")
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
    ["exec", "--help"], ["attach", "--version"], ["tap", "default"], ["attach", "--nonsense"],
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
    #expect(throws: ValidationError.self) { try MACAddressArgument(text) }
  }

  @Test func aHardwareAddressMayHaveDashes() throws {
    #expect(try MACAddressArgument("52-55-55-a-B-3").bytes == [0x52, 0x55, 0x55, 10, 11, 3])
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
    #expect(throws: CommandFailure.self) { try ForwardAddress.host("127.0.0.1", .tcp) }
    #expect(try ForwardAddress.host("127.0.0.1:0", .tcp) == "127.0.0.1:0")
    #expect(throws: CommandFailure.self) { try ForwardAddress.host("127.0.0.1:65536", .tcp) }
    #expect(throws: CommandFailure.self) { try ForwardAddress.guest("80") }
    #expect(throws: CommandFailure.self) { try ForwardAddress.guest(":80") }
    // An IPv6 address without its port is told so, not that its end is no port.
    #expect(try ForwardAddress.guest("[fd00::5]:80") == "[fd00::5]:80")
    let failure = #expect(throws: CommandFailure.self) { try ForwardAddress.guest("[fd00::5]") }
    #expect(failure?.message.hasPrefix("[fd00::5]: give ADDRESS:PORT") == true)
    #expect(throws: CommandFailure("`99999` is no port: a port is 0 to 65535, 0 any that is free"))
    {
      try ForwardAddress.host("99999", .tcp)
    }
    #expect(throws: CommandFailure("`0` is no port: a port is 1 to 65535")) {
      try ForwardAddress.guest("192.168.5.15:0")
    }
  }

  @Test func namesAndTypesNoDNSKnowsAreRefusedBeforeAsking() throws {
    let query = try parse("dns", "query", "example.com", "aaaa", as: DNSQuery.self)
    #expect(query.network == nil)
    #expect(try #require(refusal(["dns", "query", "a..b"])).contains("a..b"))
    #expect(try #require(refusal(["dns", "query", "a.b", "NOSUCH"])).contains("TYPE65"))
    #expect(try #require(refusal(["dns", "query", "-x", "a.b"])).contains("takes an address"))
    #expect(try #require(refusal(["dns", "query", "a.b", "--class", "XY"])).contains("CH"))
    #expect(try #require(refusal(["dns", "query", "a.b", "+nosuch"])).contains("+short"))
    #expect(refusal(["dns", "query", "a.b", "--tcp", "--udp"]) != nil)
    #expect(refusal(["dns", "query", "a.b", "--bufsize", "100"])?.contains("512 to 65535") == true)
    #expect(refusal(["dns", "query", "a.b", "--dnssec", "--no-edns"])?.contains("EDNS") == true)
    #expect(
      refusal(["dns", "query", "a.b", "--server", "nobody"])?.contains("127.0.0.1:5300") == true)
    #expect(
      refusal(["dns", "query", "a.b", "--server", "127.0.0.1", "--network", "lab"]) != nil)
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
    #expect(try query.questions.map(\.name) == [name])
    #expect(try query.questions.map(\.type) == [asked])
    // -x says what is meant.
    guard asked == "PTR", word.first?.isNumber == true || word.contains(":") else { return }
    let reverse = try #require(
      try LimaNetd.parseAsRoot(["dns", "query", "-x", word]) as? DNSQuery)
    #expect(try reverse.questions == query.questions)
  }

  @Test func aNameMayHaveSeveralTypesAndAClass() throws {
    let query = try parse(
      "dns", "query", "example.com", "a", "AAAA", "type65", "--class", "ch", as: DNSQuery.self)
    #expect(try query.questions.map(\.type) == ["A", "AAAA", "HTTPS"])
    #expect(try query.questions.allSatisfy { $0.class == "CH" && $0.name == "example.com" })
    #expect(try query.questions.allSatisfy { $0.udpSize == nil && $0.recursion == nil })
  }

  @Test func theWordsOfDigAreOptions() throws {
    let words = try DNSQuestionWords([
      "+short", "@127.0.0.1:5300", "version.bind", "CH", "txt", "+bufsize=512", "+norec", "+cd",
      "+dnssec", "+tcp",
    ])
    #expect(words.name == "version.bind" && words.types == ["TXT"] && words.dnsClass == "CH")
    #expect(words.server == "127.0.0.1:5300" && words.isShort && words.transport == .tcp)
    #expect(words.udpSize == 512 && words.dnssec && words.checkingDisabled && !words.recursion)
    let query = try parse("dns", "query", "a.b", "+noedns", "+ignore", as: DNSQuery.self)
    #expect(try query.questions.map(\.udpSize) == [0])
  }

  @Test(
    arguments: [
      ("127.0.0.1", "127.0.0.1:53"), ("127.0.0.1:5300", "127.0.0.1:5300"), ("::1", "[::1]:53"),
      ("[::1]:5300", "[::1]:5300"), ("[::1]", "[::1]:53"), ("127.0.0.1:0", nil),
      ("127.0.0.1:70000", nil), ("[::1]5300", nil), ("example.com", nil), ("", nil), (":53", nil),
    ] as [(String, String?)])
  func aServerIsAnAddressWithOrWithoutAPort(text: String, address: String?) {
    #expect(SocketEndpoint(text, defaultPort: 53)?.description == address)
  }

  @Test func aPartOfTheCacheIsNamed() throws {
    let list = try parse(
      "dns", "cache", "ls", "b\u{fc}cher.example", "--below", as: DNSCacheList.self)
    #expect(
      list.which.path("user-v2")
        == "/v1/networks/user-v2/dns/cache?name=xn--bcher-kva.example.&below=true")
    let flush = try parse("dns", "cache", "flush", as: DNSCacheFlush.self)
    #expect(flush.which.path("lab") == "/v1/networks/lab/dns/cache")
    #expect(refusal(["dns", "cache", "flush", "--below"]) != nil)
    #expect(refusal(["dns", "cache", "ls", "a..b"])?.contains("a..b") == true)
  }

  @Test func onePortServesBothTransports() throws {
    let serve = try parse("dns", "serve", "--port", "5300", as: DNSServe.self)
    #expect(serve.port == 5300 && serve.udp == nil)
    #expect(refusal(["dns", "serve", "--port", "1", "--udp", "2", "--tcp", "3"]) != nil)
    let rules = try parse("dns", "guest-rules", "--port", "5300", as: DNSGuestRules.self)
    #expect(rules.nft.contains("udp dport 53 dnat to 192.168.5.2:5300"))
    #expect(rules.nft.contains("tcp dport 53 dnat to 192.168.5.2:5300"))
    #expect(refusal(["dns", "guest-rules", "--udp", "1"])?.contains("--port") == true)
  }

  @Test func captureRefusesLengthsThatMakeNoSense() {
    #expect(refusal(["capture", "default", "-w", "x.pcap", "--snaplen", "5"]) != nil)
    #expect(refusal(["capture", "default"])?.contains("-w") == true)
  }

  @Test func everyCommandTeachesByExample() {
    func visit(_ command: any ParsableCommand.Type) {
      let configuration = command.configuration
      // Parts of other commands, which nobody types.
      guard configuration.shouldDisplay else { return }
      #expect(!configuration.abstract.isEmpty, "\(command)")
      #expect(configuration.discussion.contains("lima-netd"), "\(command)")
      for child in configuration.subcommands { visit(child) }
    }
    visit(LimaNetd.self)
  }

  /// ArgumentParser wraps what is wider, which makes two lines of one command.
  @Test func noExampleIsWrappedAndNoUsageIsWiderThanATerminal() {
    func visit(_ command: any ParsableCommand.Type, _ path: [String]) {
      let lines = command.configuration.discussion.split(separator: "\n")
      for line in lines where line.hasPrefix("  ") {
        #expect(line.count < Paragraph.width, "\(path): \(line)")
      }
      do { _ = try LimaNetd.parseAsRoot(path + ["--help"]) } catch {
        let text = LastWords.text(error)
        for line in text.split(separator: "\n").prefix(while: { !$0.isEmpty }) {
          #expect(line.count <= Paragraph.width, "\(path): \(line)")
        }
      }
      for child in command.configuration.subcommands
      where child.configuration.shouldDisplay {
        visit(child, path + [child._commandName])
      }
    }
    visit(LimaNetd.self, [])
  }

  @Test func aUsageIsBrokenBetweenItsWordsOnly() {
    let option = "[--an-option-of-some-length <value>]"
    #expect(
      LastWords.usage("USAGE: lima-netd do \(option) \(option) <thing>")
        == "USAGE: lima-netd do \(option)\n         \(option) <thing>")
  }

  @Test(
    arguments: [
      (["statsu"], "There is no command `statsu`. Did you mean `status`?"),
      (["xyzzy"], "There is no command `xyzzy`\n"),
      (["network", "lss"], "`network` has no command `lss`. Did you mean `ls`?"),
      (["help", "exce"], "There is no command `exce`. Did you mean `exec`?"),
      (["plugin", "infos"], "`plugin` has no command `infos`. Did you mean `info`?"),
      // Their default commands take a word.
      (["forward", "lab"], nil), (["dns", "cache", "flsh"], nil), (["status"], nil),
      (["network", "list"], nil), ([], nil),
      (["exec", "lab", "--", "statsu"], nil), (["--log-level", "debug"], nil),
    ] as [([String], String?)])
  func aWordThatIsNoCommandIsTold(arguments: [String], text: String?) {
    var told: String?
    do { try CommandWords.check(arguments, of: LimaNetd.self) } catch { told = "\(error)" }
    #expect(text.map { told?.hasPrefix($0) == true } ?? (told == nil), "\(told ?? "")")
  }

  @Test func aGracePeriodWithoutAUnitIsSeconds() throws {
    let serve = try parse("serve", "--grace-period", "10", as: Serve.self)
    #expect(serve.gracePeriod.nanoseconds == 10_000_000_000)
    #expect(refusal(["serve", "--grace-period", "soon"]) != nil)
  }

  @Test func attachWantsOneNamespace() {
    #expect(refusal(["attach", "lab"])?.contains("--container NAME") == true)
    #expect(
      refusal(["attach", "lab", "--netns", "1", "--container", "web"])?.contains("either") == true)
    #expect(refusal(["attach", "lab", "--netns", "1", "--no-config", "-p", "80"]) != nil)
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

  @Test(
    arguments: [
      ("dns query x --netwrok default", "Unknown option '--netwrok'. Did you mean '--network'?"),
      (
        "forward add default --gest x tcp 80 1.2.3.4:80",
        "Unknown option '--gest'. Did you mean '--guest'?"
      ),
      ("dns query x --typ AAAA", "Unknown option '--typ'"),
      ("--verison", "Did you mean '--version'?"),
      ("serve --log-level inf", "Did you mean 'info'?"),
      ("plugin new x --lang rsut", "Did you mean 'rust'?"),
      ("recommend --from hots", "Did you mean 'host'?"),
      ("forward add default tpc 80 1.2.3.4:80", "Did you mean 'tcp'?"),
      // What is right before a value that begins so stays.
      ("exec default --mtu=3 -- ls --helpp", "576 to 65520"),
    ])
  func `an option or value that is none is told with the one that was meant`(
    line: String, text: String
  ) throws {
    let words = line.split(separator: " ").map(String.init)
    let message = try #require(refusal(words))
    let told = OptionWords.explained(message, words, of: LimaNetd.self)
    #expect(told.contains(text), "\(told)")
    #expect(line != "--verison" || !told.contains("serve"), "\(told)")
  }

  @Test func `no control character of a file or an argument reaches a terminal`() {
    #expect(Paragraph.printableLines("a\u{1b}[31mb\n\tü\u{202e}\u{7f}\r") == "a?[31mb\n\tü???")
    #expect(Paragraph.printableLines("as it is\n") == "as it is\n")
  }

  @Test func `help completes the names of commands`() {
    for shell in [CompletionShell.bash, .zsh, .fish] {
      let script = Completions.withHelp(LimaNetd.completionScript(for: shell), shell)
      #expect(script.contains("serve exec attach"), "\(shell)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

@testable import Daemon

@Suite("networks.yaml as text", .timeLimit(.minutes(1)))
struct NetworksTextTests {
  private static let file = """
    # my networks
    paths:
      varRun: /run/lima   # root's
    networks:
      # the first
      lab:
        mode: shared # by name
        gateway: "192.168.105.1"
        options:
          mtu: 9000

      # the second
      two:
        mode: user-v2
        gateway: 192.168.120.1
      # of the networks
    # of what follows
    group: sudo

    """

  private func edited(_ text: String, _ body: (inout NetworksText) throws -> Void) rethrows
    -> String
  {
    var edit = NetworksText(text)
    try body(&edit)
    return edit.text
  }

  @Test
  func `Lima's own networks have the mode and gateway of Lima's file, others those of user-v2`() {
    func draft(_ name: String, mode: String? = nil, gateway: String? = nil) -> NetworkDraft {
      NetworkDraft(mode: mode, gateway: gateway, dhcpEnd: nil, interface: nil, for: name)
    }
    #expect(draft("shared") == NetworkDraft(mode: "shared", gateway: "192.168.105.1"))
    #expect(
      draft("host", gateway: "10.1.1.1") == NetworkDraft(mode: "host", gateway: "10.1.1.1"))
    #expect(draft("bridged") == NetworkDraft(mode: "bridged"))
    #expect(draft("shared", mode: "user-v2") == NetworkDraft(mode: "user-v2"))
    #expect(draft("lab") == NetworkDraft(mode: "user-v2"))
  }

  @Test func `a command that is proposed takes no subnet of a network that there is`() throws {
    let file = try ConfigDecoder.decode(
      Array(NetworksTemplate.linux(groups: []).text.utf8), file: "f", homeDirectory: "/")
    #expect(
      CreationCommand.text("vms", mode: "shared", among: file.networks)
        == "lima-netd network create vms --mode shared --gateway 192.168.107.1")
    #expect(
      CreationCommand.text("shared", mode: "shared", among: file.networks)
        == "lima-netd network create shared --mode shared --gateway 192.168.105.1")
  }

  @Test(arguments: [
    ("192.168.110.1", 0), ("10.1.2.1", 0), ("172.31.0.1", 0), ("100.64.3.1", 0),
    ("203.0.113.1", 0), ("172.32.0.1", 1), ("8.8.8.1", 1), ("169.254.7.1", 1),
  ])
  func `a subnet that is not private, and one that interfaces give themselves, is told`(
    gateway: String, count: Int
  ) throws {
    let file = "networks: {x: {mode: user-v2, gateway: \(gateway)}}"
    let network = try #require(
      ConfigDecoder.decode(Array(file.utf8), file: "f", homeDirectory: "/").networks
        .first { $0.name == "x" })
    #expect(NetworkConflicts.cautions(network).count == count)
  }

  @Test func `a network is added behind the last one and all else stays`() throws {
    let text = try edited(Self.file) {
      try $0.add("new", [("mode", "user-v2"), ("gateway", "192.168.130.1")])
    }
    let addition = "  new:\n    mode: user-v2\n    gateway: 192.168.130.1\n"
    #expect(
      text
        == Self.file.inserting(
          addition, before: "# of what follows"))
  }

  @Test func `removing takes the lines of the network and its own comment, and leaves all others`()
    throws
  {
    let text = try edited(Self.file) { try $0.remove("lab") }
    #expect(!text.contains("lab:") && !text.contains("mtu") && !text.contains("# the first"))
    for comment in ["# my networks", "# the second", "# of the networks", "# root's"] {
      #expect(text.contains(comment), "\(comment)")
    }
    let last = try edited(Self.file) { try $0.remove("two") }
    #expect(last.contains("# of the networks") && last.contains("# of what follows"))
    #expect(last.contains("mtu: 9000") && !last.contains("# the second"))
    // What a blank line sets apart, and what is put out of use, may be wanted again.
    let apart = """
      networks:
        # all of mine

        #old:
        #  mode: slirp
        # deleted
        lab:
          mode: slirp

      """
    let rest = try edited(apart) { try $0.remove("lab") }
    #expect(rest == "networks:\n  # all of mine\n\n  #old:\n  #  mode: slirp\n")
  }

  @Test func `a value is replaced, added or removed on its line, its comment stays`() throws {
    let text = try edited(Self.file) {
      try $0.change(
        "lab", [("mode", "host"), ("gateway", "192.168.106.1"), ("dhcpEnd", "192.168.106.99")])
    }
    #expect(text.contains("    mode: host # by name\n    gateway: 192.168.106.1\n"))
    #expect(text.contains("      mtu: 9000\n    dhcpEnd: 192.168.106.99\n"))
    let removed = try edited(Self.file) { try $0.change("two", [("gateway", nil)]) }
    #expect(!removed.contains("192.168.120.1"))
  }

  @Test
  func `options are set, replaced and removed, in a block, in braces and where there are none`()
    throws
  {
    let set: [NetworksText.Change] = [("options.prefix6", "fd00:5::/64")]
    let gone: [NetworksText.Change] = [("options.prefix6", nil)]
    // A block, and none.
    #expect(
      try edited(Self.file) { try $0.change("lab", set) }
        == Self.file.replacing(
          "    options:\n", with: "    options:\n      prefix6: \"fd00:5::/64\"\n"))
    let two = "    gateway: 192.168.120.1\n"
    #expect(
      try edited(Self.file) { try $0.change("two", set + [("gateway", "10.0.0.2")]) }
        == Self.file.replacing(
          two,
          with: "    gateway: 10.0.0.2\n    options:\n      prefix6: \"fd00:5::/64\"\n"))
    #expect(try edited(Self.file) { try $0.change("two", gone) } == Self.file)
    #expect(
      try edited(Self.file) { try $0.change("lab", [("options.mtu", nil)]) }
        == Self.file.replacing("    options:\n      mtu: 9000\n", with: ""))
    // Braces, with a comment; what stands in quotes stays a string.
    let file =
      "networks:\n  a:\n    mode: shared\n    options: {x: \"8\", prefix6: \"fd00:9::/64\"}  # mine\n"
    #expect(
      try edited(file) { try $0.change("a", set) }
        == file.replacing("fd00:9::/64", with: "fd00:5::/64"))
    #expect(
      try edited(file) { try $0.change("a", gone) }
        == file.replacing(", prefix6: \"fd00:9::/64\"", with: ""))
    let empty = "networks:\n  a:\n    mode: shared\n    options: # none\n"
    #expect(
      try edited(empty) { try $0.change("a", set) } == empty + "      prefix6: \"fd00:5::/64\"\n")
    // Deeper ones are for an editor.
    let deep = file.replacing("\"8\"", with: "{y: 1}")
    #expect(throws: NetworksEditError.byHand(key: "networks.a.options", line: 2)) {
      try edited(deep) { try $0.change("a", set) }
    }
  }

  @Test func `an IPv6 network is given to a new network and to one that is there`() throws {
    func entry(_ draft: NetworkDraft) throws -> String {
      try edited("networks:\n") { try $0.add("x", draft.entry()) }
    }
    let draft = NetworkDraft(
      mode: "shared", gateway: "10.1.1.1", prefix6: "fd00:5::/64", gateway6: "fd00:5::9")
    #expect(
      try entry(draft).hasSuffix(
        "    options:\n      prefix6: \"fd00:5::/64\"\n      gateway6: \"fd00:5::9\"\n"))
    for (prefix6, gateway6) in [
      ("fd00:5::/48", nil), ("fd00:5::1/64", nil), ("fe80::/64", nil), ("ff02::/64", nil),
      ("::/64", nil), ("10.0.0.0/24", nil), ("fd00:5::", nil), (nil, "fe80::1"), (nil, "fd00:5::"),
      ("fd00:5::/64", "fd00:6::1"),
    ] as [(String?, String?)] {
      #expect(throws: NetworkDraft.Flaw.self, "\(prefix6 ?? "") \(gateway6 ?? "")") {
        try NetworkDraft(
          mode: "shared", gateway: "10.1.1.1", prefix6: prefix6, gateway6: gateway6
        ).entry()
      }
    }
    #expect(throws: NetworkDraft.Flaw.refuses(mode: "bridged", "prefix6")) {
      try NetworkDraft(mode: "bridged", interface: "br0", prefix6: "fd00:5::/64").entry()
    }
    let before = try #require(
      ConfigDecoder.decode(
        Array(
          "networks: {x: {mode: shared, options: {prefix6: 'fd00:9::/64', gateway6: 'fd00:9::2'}}}"
            .utf8),
        file: "f", homeDirectory: "/"
      ).networks.first { $0.name == "x" })
    let moved = try NetworkDraft(mode: "", prefix6: "fd00:5::/64").changes(of: before)
    #expect(moved.contains { $0.key == "options.gateway6" && $0.value == nil })
    #expect(throws: NetworkDraft.Flaw.self) {
      try NetworkDraft(mode: "", gateway6: "fd00:5::2").changes(of: before)
    }
    #expect(
      try NetworkDraft(mode: "", gateway6: "fd00:9::3").changes(of: before)
        .contains { $0.key == "options.gateway6" && $0.value == "fd00:9::3" })
    #expect("\(IPv6Network.uniqueLocal(identifier: 0x1234_5678_9a))" == "fd12:3456:789a::/64")
  }

  @Test(arguments: ["", "# nothing\n", "networks:\n", "networks: {}\n", "networks: null # none\n"])
  func `the first network of a file is added`(_ text: String) throws {
    let result = try edited(text) { try $0.add("new", [("mode", "slirp")]) }
    #expect(
      result.hasSuffix("networks:\n  new:\n    mode: slirp\n") || result.contains("# none\n  new:"))
    var again = NetworksText(result)
    #expect(try again.names() == ["new"])
    try again.remove("new")
    #expect(try again.names() == [])
  }

  @Test(arguments: [
    "networks: {lab: {mode: slirp}}\n", "{networks: {lab: {mode: slirp}}}\n",
    "networks: &n\n  lab: {mode: slirp}\nother: *n\n",
  ])
  func `what is written in braces is for an editor, or means what was meant`(_ text: String) {
    for name in ["lab", "new"] {
      var edit = NetworksText(text)
      do throws(NetworksEditError) {
        if name == "new" {
          try edit.add(name, [("mode", "slirp")])
        } else {
          try edit.change(name, [("mode", "user-v2")])
        }
        let names = try edit.names()
        #expect(names.contains(name))
      } catch {
        guard case .byHand = error else {
          Issue.record("\(error)")
          continue
        }
        #expect(edit.text == text)
      }
    }
  }

  @Test func `names that are there twice or not at all are told`() {
    var edit = NetworksText(Self.file)
    #expect(throws: NetworksEditError.exists("lab")) { try edit.add("lab", [("mode", "slirp")]) }
    #expect(throws: NetworksEditError.unknown("labb", nearest: "lab")) { try edit.remove("labb") }
  }

  @Test(arguments: ["a b", "#x", "- y", "x: y", "\"q\"", "tab\there", "ü", "", "{a}", "\u{1}"])
  func `any value reads back as it was`(_ value: String) throws {
    var edit = NetworksText("networks:\n")
    try edit.add("new", [("mode", "slirp"), ("interface", value)])
    let root = try #require(try YAMLReader.read(Array(edit.text.utf8)))
    #expect(
      root.jsonValue.object?["networks"]?.object?["new"]?.object?["interface"] == .string(value))
  }

  @Test func `drafts follow the rules and words of limactl`() throws {
    func flaw(_ draft: NetworkDraft) -> String {
      do {
        _ = try draft.entry()
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(
      flaw(NetworkDraft(mode: "user-v2", gateway: "192.168.1.1", dhcpEnd: "192.168.1.9")) == "")
    #expect(
      flaw(NetworkDraft(mode: "bridged")) == "network mode `bridged` requires specifying interface")
    #expect(
      flaw(NetworkDraft(mode: "bridged", gateway: "192.168.1.1", interface: "br0"))
        == "network mode `bridged` does not support specifying gateway")
    #expect(
      flaw(NetworkDraft(mode: "user-v2")) == "network mode `user-v2` requires specifying gateway")
    #expect(
      flaw(NetworkDraft(mode: "shared", gateway: "192.168.1.1", interface: "br0"))
        == "network mode `shared` does not support specifying interface")
    #expect(
      flaw(NetworkDraft(mode: "host", gateway: "192.168.1")).hasPrefix("failed to parse CIDR"))
    #expect(flaw(NetworkDraft(mode: "host", gateway: "127.0.0.1")).hasPrefix("invalid IP address"))
    #expect(flaw(NetworkDraft(mode: "host", gateway: "0.0.0.0/8")).hasPrefix("invalid IP address"))
    for name in ["br0;rm", "a b", "../x", "", "sixteen-letters0"] {
      #expect(
        flaw(NetworkDraft(mode: "bridged", interface: name)).hasPrefix(
          "invalid interface `\(name)`"))
    }
    let entry = try NetworkDraft(mode: "user-v2", gateway: "192.168.110.1/25").entry()
    #expect(
      entry.map { "\($0.key)=\($0.value)" } == [
        "mode=user-v2", "gateway=192.168.110.1", "netmask=255.255.255.128",
      ])
  }

  @Test func `an edited network has what its mode needs, and nothing that it has no use for`()
    throws
  {
    func network(
      _ mode: String, gateway: String? = nil, interface: String? = nil, socket: String? = nil
    ) -> NetworkConfiguration {
      var settings = NetworkConfiguration.Settings(mode: mode, interface: interface)
      settings.gateway = gateway.flatMap { IPv4Address($0) }
      if let socket { settings.options["socket"] = .string(socket) }
      return NetworkConfiguration(name: "n", builtin: false, settings: settings, marks: [:])
    }
    func completion(_ draft: NetworkDraft, _ before: NetworkConfiguration) -> String {
      do {
        return try draft.completion(of: before).map { "\($0.key)=\($0.value ?? "-")" }
          .joined(separator: " ")
      } catch { return "\(error)" }
    }
    let routed = network("shared", gateway: "192.168.110.1")
    #expect(
      completion(NetworkDraft(mode: "bridged"), routed)
        == "network mode `bridged` requires specifying interface")
    #expect(
      completion(NetworkDraft(mode: "bridged", interface: "br0"), routed)
        == "gateway=- netmask=- dhcpEnd=-")
    #expect(
      completion(NetworkDraft(mode: "", interface: "br0"), routed)
        == "network mode `shared` does not support specifying interface")
    #expect(
      completion(NetworkDraft(mode: ""), network("bridged", socket: "/s")).hasPrefix("gateway"))
    let bridged = network("bridged", interface: "br0")
    #expect(
      completion(NetworkDraft(mode: "", gateway: "10.1.1.1"), bridged)
        == "network mode `bridged` does not support specifying gateway")
    #expect(completion(NetworkDraft(mode: "shared"), bridged) == "interface=-")
    #expect(
      completion(NetworkDraft(mode: "user-v2"), bridged)
        == "network mode `user-v2` requires specifying gateway")
  }

  @Test func `Lima's default file is one that this daemon reads, on both systems`() throws {
    for template in [NetworksTemplate.linux(groups: ["wheel"]), .macOS()] {
      let configuration = try ConfigDecoder.decode(
        Array(template.text.utf8), file: "networks.yaml", homeDirectory: "/home/u")
      #expect(
        configuration.networks.map(\.name) == ["bridged", "default", "host", "shared", "user-v2"])
      #expect(configuration.warnings.isEmpty)
    }
    #expect(NetworksTemplate.linux(groups: ["wheel"]).group == "wheel")
    #expect(NetworksTemplate.linux(groups: []).group == "sudo")
  }

  @Test func `routes of the host are read and held against a subnet`() {
    let table = """
      Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
      eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
      eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
      nonsense
      """
    let routes = HostRoutes.parse(table)
    #expect(routes == [HostRoute(interface: "eth0", network: 0xC0A8_0100, prefixLength: 24)])
    let clash = IPv4Subnet(containing: IPv4Address(0xC0A8_0101), prefixLength: 16)
    #expect(NetworkConflicts.route(clash, among: routes)?.contains("by eth0") == true)
    #expect(NetworkConflicts.route(clash, among: routes, own: ["eth0"]) == nil)
  }

  @Test func `a route that is wider than a subnet is no conflict, an interface's network is`() {
    let subnet = IPv4Subnet(containing: IPv4Address(0xC0A8_6901), prefixLength: 24)
    let wide = [
      HostRoute(interface: "tun0", network: 0, prefixLength: 1),
      HostRoute(interface: "tun0", network: 0x8000_0000, prefixLength: 1),
      HostRoute(interface: "tun0", network: 0xC0A8_0000, prefixLength: 16),
    ]
    #expect(NetworkConflicts.route(subnet, among: wide) == nil)
    for length in [24, 25, 32] {
      let route = HostRoute(interface: "tun1", network: 0xC0A8_6900, prefixLength: length)
      let text = NetworkConflicts.route(subnet, among: wide + [route])
      #expect(text?.contains("192.168.105.0/\(length), which this host reaches by tun1") == true)
    }
    let address = HostAddress(interface: "eth0", address: 0xC0A8_0007, prefixLength: 16)
    let text = NetworkConflicts.route(subnet, among: wide, addresses: [address])
    #expect(text?.contains("192.168.0.0/16, which this host reaches by eth0") == true)
    #expect(
      NetworkConflicts.route(subnet, among: wide, addresses: [address], own: ["eth0"]) == nil)
  }
}

extension String {
  fileprivate func replacingFirst(_ part: String, with other: String) -> String {
    guard let range = self.firstRange(of: part) else { return self }
    return self[..<range.lowerBound] + other + self[range.upperBound...]
  }

  fileprivate func inserting(_ part: String, before place: String) -> String {
    replacingFirst(place, with: part + place)
  }
}

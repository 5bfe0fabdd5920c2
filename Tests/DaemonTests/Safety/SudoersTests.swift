// SPDX-License-Identifier: Apache-2.0
//
// The lines for sudoers, byte for byte; what may not stand there; and `--check`.

import Foundation
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct SudoersTests {
  private static func networks(_ yaml: String) throws -> [NetworkConfiguration] {
    try ConfigDecoder.decode(Array(yaml.utf8), file: "f", homeDirectory: "/h").networks
  }

  private static let lima = """
    networks:
      user-v2: {mode: user-v2, gateway: 192.168.104.1, netmask: 255.255.255.0}
      shared: {mode: shared, gateway: 192.168.105.1, dhcpEnd: 192.168.105.254, netmask: 255.255.255.0}
      bridged: {mode: bridged, interface: en0}
      host: {mode: host, gateway: 192.168.106.1, dhcpEnd: 192.168.106.254, netmask: 255.255.255.0}
    """

  private static let paths = NetworksPaths(
    socketVMNet: "/opt/socket_vmnet/bin/socket_vmnet", varRun: "/private/var/run/lima",
    sudoers: "/private/etc/sudoers.d/lima", group: "everyone")

  @Test func `the text for macOS is that of limactl, byte for byte`() throws {
    let text = try SudoersMacOS(paths: Self.paths, isInstalled: true).text(
      Self.networks(Self.lima))
    #expect(
      text == """
        %everyone ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p /private/var/run/lima

        # Manage "bridged" network daemons

        %everyone ALL=(root:wheel) NOPASSWD:NOSETENV: \\
            /opt/socket_vmnet/bin/socket_vmnet --pidfile=/private/var/run/lima/bridged_socket_vmnet.pid --socket-group=everyone --vmnet-mode=bridged --vmnet-interface=en0 /private/var/run/lima/socket_vmnet.bridged, \\
            /usr/bin/pkill -F /private/var/run/lima/bridged_socket_vmnet.pid

        # Manage "host" network daemons

        %everyone ALL=(root:wheel) NOPASSWD:NOSETENV: \\
            /opt/socket_vmnet/bin/socket_vmnet --pidfile=/private/var/run/lima/host_socket_vmnet.pid --socket-group=everyone --vmnet-mode=host --vmnet-gateway=192.168.106.1 --vmnet-dhcp-end=192.168.106.254 --vmnet-mask=255.255.255.0 /private/var/run/lima/socket_vmnet.host, \\
            /usr/bin/pkill -F /private/var/run/lima/host_socket_vmnet.pid

        # Manage "shared" network daemons

        %everyone ALL=(root:wheel) NOPASSWD:NOSETENV: \\
            /opt/socket_vmnet/bin/socket_vmnet --pidfile=/private/var/run/lima/shared_socket_vmnet.pid --socket-group=everyone --vmnet-mode=shared --vmnet-gateway=192.168.105.1 --vmnet-dhcp-end=192.168.105.254 --vmnet-mask=255.255.255.0 /private/var/run/lima/socket_vmnet.shared, \\
            /usr/bin/pkill -F /private/var/run/lima/shared_socket_vmnet.pid

        """)
  }

  @Test func `a bridge of Lima's own helper takes a line of its own, a socket none`() throws {
    let sudoers = SudoersLinux(who: .group("sudo"), helper: "/x/tap", joined: ["a": "lima-a"])
    let text = try sudoers.text(
      Self.networks(
        "networks: {a: {mode: shared}, b: {mode: bridged, options: {socket: /s}}}"))
    let head = "%sudo ALL=(root) NOPASSWD:NOSETENV: /x/tap open a"
    #expect(
      text.split(separator: "\n").suffix(3) == [
        "\(head) --address 192.168.105.1/24 --address6 \(HostTapRequest.ownWord("a"))",
        "# The same beside Lima's own helper, which keeps lima-a",
        "\(head) --bridge lima-a",
      ])
  }

  @Test func `without socket_vmnet there are comments, and nothing of it may run`() throws {
    let text = try SudoersMacOS(paths: Self.paths, isInstalled: false).text(
      Self.networks(Self.lima))
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.first?.hasSuffix("/bin/mkdir -m 775 -p /private/var/run/lima") == true)
    #expect(lines.dropFirst().allSatisfy { $0.isEmpty || $0.hasPrefix("# Manage \"") })
    #expect(lines.count { $0.hasPrefix("#") } == 3)
  }

  @Test func `what a file leaves out is as its comments promise`() throws {
    let text = try SudoersMacOS(paths: Self.paths, isInstalled: true).text(
      Self.networks("networks: {lab: {mode: shared, gateway: 10.7.0.1}}"))
    #expect(
      text.contains(
        "--vmnet-gateway=10.7.0.1 --vmnet-dhcp-end=10.7.0.254 --vmnet-mask=255.255.255.0 "))
  }

  @Test(arguments: [
    "/opt/a,b", "/opt/a:b", "/opt/a=b", "/opt/a\\b", "/opt/*", "/opt/a b", "/opt/a\"b", "/opt/a#b",
    "/opt/[a]", "/opt/a!", "/opt/a\nALL ALL=NOPASSWD: ALL", "",
  ])
  func `a path that sudoers would read otherwise is refused`(path: String) throws {
    var paths = Self.paths
    paths.socketVMNet = path
    let networks = try Self.networks(Self.lima)
    #expect(throws: SudoersError.self) {
      try SudoersMacOS(paths: paths, isInstalled: true).text(networks)
    }
    paths = Self.paths
    paths.varRun = path
    #expect(throws: SudoersError.self) {
      try SudoersMacOS(paths: paths, isInstalled: true).text(networks)
    }
    #expect(throws: SudoersError.self) {
      try SudoersLinux(who: .group("sudo"), helper: path).text(networks)
    }
  }

  private static let helper = "/usr/local/libexec/lima-netd/lima-netd-tap"

  @Test func `the text for Linux has a line of fixed words for each network that needs one`() throws
  {
    let text = try SudoersLinux(who: .group("sudo"), helper: Self.helper).text(
      Self.networks(
        """
        networks:
          shared: {mode: shared, options: {mtu: 9000}}
          lan: {mode: bridged, interface: br0}
          other: {mode: slirp}
        """))
    #expect(
      text == """
        # The host's interfaces of lima-netd's networks, made without a password: lima-netd sudoers

        # Network "lan" (bridged)
        %sudo ALL=(root) NOPASSWD:NOSETENV: \(Self.helper) open lan --bridge br0

        # Network "shared" (shared)
        %sudo ALL=(root) NOPASSWD:NOSETENV: \(Self.helper) open shared --address 192.168.105.1/24 --address6 \(HostTapRequest.ownWord("shared")) --mtu 9000

        """)
  }

  @Test func `a bridge with another name than an interface has is refused`() throws {
    let networks = try Self.networks(
      "networks: {lan: {mode: bridged, options: {interface: \"br0, ALL\"}}}")
    #expect(throws: SudoersError.word("br0, ALL", of: "network lan")) {
      try SudoersLinux(who: .group("sudo"), helper: Self.helper).text(networks)
    }
  }

  @Test(arguments: [
    ("alice", "alice"), ("a.b-c_d", "a.b-c_d"), ("ALL", "#7"), ("DOM\\eve", "#7"), ("a b", "#7"),
    ("-x", "#7"), (nil, "#7"), ("1x", "#7"), ("a,ALL", "#7"),
  ])
  func `a user whose name sudoers would read otherwise is named by number`(
    name: String?, word: String
  ) {
    #expect(SudoersWords.user(name, uid: 7) == word)
  }

  @Test(arguments: ["a b", "x,ALL", "", "-x"])
  func `a group that is no identifier is refused`(group: String) throws {
    let networks = try Self.networks("networks: {shared: {mode: shared}}")
    #expect(throws: SudoersError.self) {
      try SudoersLinux(who: .group(group), helper: Self.helper).text(networks)
    }
  }

  @Test func `the lines are for the group only where who asks is one of it`() {
    func who(_ group: String, _ isMember: Bool) -> SudoersLinux.Who {
      SudoersFile.subject(group: group, isMember: isMember, name: "alice", uid: 1000)
    }
    #expect(who("sudo", true) == .group("sudo"))
    #expect(who("sudo", false) == .user(name: "alice", uid: 1000))
    #expect(who("", true) == .user(name: "alice", uid: 1000))
    #expect(
      SudoersFile.writing("/b/lima-netd", user: "al ice", home: " --lima-home /h")
        == "/b/lima-netd sudoers --user 'al ice' --lima-home /h | sudo tee /etc/sudoers.d/lima-netd"
    )
  }

  // MARK: --check

  private func problem(
    _ comparison: SudoersCheck.Comparison, text: String = "a\nb\n",
    read: Result<String, SystemError>,
    sudo: Bool = false
  ) -> String? {
    SudoersCheck(text: text, comparison: comparison, command: "lima-netd").problem(
      file: "/e/lima",
      read: { (_) throws(SystemError) in Array(try read.get().utf8) }, sudoWorks: { sudo })
  }

  @Test func `a file is up to date or out of sync, byte for byte`() {
    #expect(problem(.equal, read: .success("a\nb\n")) == nil)
    #expect(
      problem(.equal, read: .success("a\nb\n\n"), sudo: true)
        == "sudoers file `/e/lima` is out of sync and must be regenerated (Hint: run `lima-netd sudoers >etc_sudoers.d_lima && sudo install -o root etc_sudoers.d_lima \"/e/lima\"`)"
    )
    #expect(
      problem(.contains, read: .success("a\n"))?.hasSuffix(
        "(Hint: run `lima-netd sudoers | sudo tee /e/lima`)") == true)
    #expect(problem(.contains, read: .success("# mine\nb\na\n")) == nil)
    #expect(problem(.contains, text: "# other\na\nb\n", read: .success("a\nb\n")) == nil)
    #expect(problem(.contains, read: .success("a\n")) != nil)
    #expect(problem(.contains, read: .success("#a\nb\n")) != nil)
    #expect(
      SudoersCheck.confirmation("/e/lima")
        == "`/e/lima` is up-to-date (or sudo doesn't require a password)")
  }

  @Test func `where the file cannot tell, sudo does`() {
    for error in [Errno.noSuchFile, .accessDenied] {
      let failure = Result<String, SystemError>.failure(SystemError("open", error))
      #expect(problem(.equal, read: failure, sudo: true) == nil)
      #expect(problem(.equal, read: failure)?.hasPrefix("can't read `/e/lima`: ") == true)
    }
    let odd = Result<String, SystemError>.failure(SystemError("open", .invalidArgument))
    #expect(problem(.equal, read: odd, sudo: true) != nil)
  }

  // MARK: sudo -l

  private static let words = [helper, "open", "shared", "--address", "192.168.105.1/24"]
  private static let line = words.joined(separator: " ")

  @Test(arguments: [
    ("    (root) NOPASSWD: \(line)\n", SudoListing.Verdict.withoutPassword),
    ("    (root) NOSETENV: NOPASSWD: \(line)\n", .withoutPassword),
    ("    (root) NOPASSWD: NOSETENV: /bin/true, \(line)\n", .withoutPassword),
    ("    (root) NOPASSWD: /bin/true, PASSWD: \(line)\n", .withPassword),
    ("    (root) \(line)\n", .withPassword),
    ("    (ALL : ALL) ALL\n", .withPassword),
    ("    (ALL : ALL) NOPASSWD: ALL\n", .withoutPassword),
    ("    (ALL : ALL) ALL\n    (root) NOPASSWD: \(line)\n", .withoutPassword),
    ("    (root) NOPASSWD: \(line)\n    (ALL) ALL\n", .withPassword),
    ("    (root) NOPASSWD: ALL, !\(line)\n", .no),
    ("    (bob) NOPASSWD: \(line)\n", .no),
    ("    (root) NOPASSWD: \(line) --mtu 9000\n", .no),
    ("    (root) NOPASSWD: \(helper)\n", .withoutPassword),
    ("    (root) NOPASSWD: /bin/a\\, b, \(line.replacing("=", with: "\\="))\n", .withoutPassword),
    ("Matching Defaults entries for a:\n    env_reset\n\nUser a may not run sudo\n", .no),
    ("(root) NOPASSWD: \(line)\n", .no),
    ("    (root\n    ()\n    (root)\n", .no), ("", .no),
  ])
  func `what sudo lists is read for one command`(listing: String, verdict: SudoListing.Verdict) {
    #expect(
      SudoListing.verdict(
        on: Self.words,
        in: "User a may run the following commands on h:\n" + listing) == verdict)
  }
}

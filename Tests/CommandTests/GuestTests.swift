// SPDX-License-Identifier: Apache-2.0

#if os(Linux)

  import Daemon
  import LibC
  import Platform
  import Testing

  @testable import lima_netd

  @Suite(.timeLimit(.minutes(5))) struct AdviceTests {
    private func advice(_ files: [String: String] = [:]) -> Advice {
      Advice(read: { files[$0] })
    }

    @Test func aClosedTapDeviceIsNamedWithTheCommandThatOpensIt() {
      let text = advice().tap(SystemError("open", Errno(EACCES), subject: Tap.device), name: "eth0")
        .description
      #expect(text.contains("/dev/net/tun may not be opened by this user"))
      #expect(text.contains("sudo chmod 0666 /dev/net/tun"))
    }

    @Test func aMissingTapDeviceIsNamedWithTheCommandThatMakesIt() {
      let text = advice().tap(SystemError("open", Errno(ENOENT), subject: Tap.device), name: "eth0")
        .description
      #expect(text.contains("sudo modprobe tun"))
      #expect(text.contains("mknod -m 0666 /dev/net/tun c 10 200"))
    }

    @Test func aTakenInterfaceNameSaysSo() {
      let text = advice().tap(SystemError("TUNSETIFF", Errno(EBUSY), subject: "tap0"), name: "tap0")
        .description
      #expect(text.contains("tap0 exists already"))
    }

    @Test(arguments: [
      ("/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
      ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
      (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
        "kernel.apparmor_restrict_unprivileged_userns=0"
      ),
    ])
    func theSettingThatForbidsUserNamespacesIsNamed(path: String, value: String, command: String) {
      let error = SystemError("unshare", Errno(EPERM), subject: "user namespace")
      let text = advice([path: value]).namespace(error).description
      #expect(text.contains("sudo sysctl -w \(command)"))
      // AppArmor lets the namespace be made, and then forbids what is done in it.
      let tap = advice([path: value]).tap(
        SystemError("TUNSETIFF", Errno(EPERM), subject: "eth0"), name: "eth0")
      #expect(tap.description.contains("sudo sysctl -w \(command)"))
    }

    @Test func withAllSettingsOpenASandboxIsSuspected() {
      let error = SystemError("unshare", Errno(EPERM), subject: "user namespace")
      #expect(advice().namespace(error).description.contains("seccomp"))
    }

    @Test func closedPingSocketsAreToldToWhoPings() throws {
      let closed = advice(["/proc/sys/net/ipv4/ping_group_range": "1\t0"])
      let note = try #require(closed.pingNote(command: "/bin/ping", groups: [1000]))
      #expect(note.contains("sudo sysctl -w net.ipv4.ping_group_range=\"0 2147483647\""))
      #expect(closed.pingNote(command: "curl", groups: [1000]) == nil)
      let open = advice(["/proc/sys/net/ipv4/ping_group_range": "0\t2147483647"])
      #expect(open.pingNote(command: "ping", groups: [1000]) == nil)
      #expect(advice().pingNote(command: "ping", groups: [1000]) == nil)
    }

    @Test func aDaemonThatDoesNotRunIsToldHowToStartIt() {
      #expect(
        CommandFailure.daemonNotRunning("/h h").description.contains(
          "lima-netd serve --lima-home '/h h'"))
    }

    @Test func `under sudo a daemon of the caller's is what is missing, not one of root's`() {
      func text(_ environment: [String: String], _ home: String = "/root/.lima") -> String {
        CommandFailure.daemonNotRunning(
          home, environment: environment, isRoot: true,
          account: { _ in ("alice", "/home/alice") }
        ).description
      }
      let sudo = ["SUDO_UID": "1000", "HOME": "/root"]
      #expect(text(sudo).contains("No daemon serves /home/alice/.lima, nor root's own"))
      #expect(text(sudo).contains("as alice, without sudo:  lima-netd &"))
      #expect(text(["HOME": "/root"]).hasSuffix("lima-netd serve &"))
      #expect(text(sudo, "/h").contains("serve --lima-home /h"))
    }

    @Test(arguments: [
      ("web-1", true), ("my_web.lab", true), ("a", true), ("b d", false), ("-a", false),
      ("a..b", false), ("ü", false), (String(repeating: "a", count: 64), false), ("a\nb", false),
    ])
    func `a guest's name is one that names can be looked up by`(name: String, isOne: Bool) {
      #expect(GuestOptions.isName(name) == isOne)
    }

    @Test func aDaemonOfSomebodyElseIsNamedWithItsOwner() {
      guard geteuid() != 0 else { return }
      let text = CommandFailure.daemonUnreachable(LimaHome(path: "/root"), Errno(EACCES))
        .description
      #expect(text.contains("belongs to root, and you are"))
    }
  }

  @Suite(.timeLimit(.minutes(5))) struct ResolverFileTests {
    @Test func theFileNamesTheLeasesServersAndDomains() {
      let lease = LeaseOffer(
        address: "192.168.5.15", prefixLength: 24, gateway: "192.168.5.2",
        dns: ["192.168.5.3", "fd00::3"],
        mtu: nil, search: ["lima.internal", "example"])
      #expect(
        ResolverFile.text(lease.dns, search: lease.search, network: "default") == """
          # Made by lima-netd for a guest of network default.
          nameserver 192.168.5.3
          nameserver fd00::3
          search lima.internal example

          """)
    }

    @Test func linksAreFollowedToAFileThatNeedNotExist() throws {
      let directory = Temporary.path()
      mkdir(directory, 0o700)
      defer {
        for name in ["a", "b", "loop"] { unlink("\(directory)/\(name)") }
        rmdir(directory)
      }
      symlink("b", "\(directory)/a")
      symlink("\(directory)/gone/resolv.conf", "\(directory)/b")
      symlink("loop", "\(directory)/loop")
      #expect(ResolverFile.target(of: "\(directory)/a") == "\(directory)/gone/resolv.conf")
      #expect(ResolverFile.target(of: "\(directory)/none") == "\(directory)/none")
      // A circle ends.
      #expect(ResolverFile.target(of: "\(directory)/loop") == "\(directory)/loop")
    }
  }

  @Suite(.timeLimit(.minutes(5))) struct TemporaryTests {
    @Test func aSocketsPathFitsBelowATemporaryHome() {
      let home = LimaHome(path: Temporary.path())
      #expect(home.attachSocket.utf8.count <= UnixSocket.maximumPathLength)
      #expect(
        home.networkSockets("a-network-with-a-name").unixgram.utf8.count
          <= UnixSocket.maximumPathLength)
    }
  }

#endif

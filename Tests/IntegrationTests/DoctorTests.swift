// SPDX-License-Identifier: Apache-2.0
//
// doctor on hosts that lack something: things are broken on purpose, one by one, in a namespace and a home of the test's
// own, and each is told.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct DoctorTests {
    private struct Line: Decodable {
      var check: String
      var modes: [String]
      var status: String
      var text: String
      var remedy: String?
    }

    private static let user = [
      "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
    ]

    /// What doctor says in the scene, after `before` was run there as root of a mount namespace.
    private func doctor(
      _ scene: HostTapScene, before: String = "", user: [String] = user, home: String? = nil,
      _ modes: [String] = []
    ) throws -> (lines: [Line], result: CommandResult) {
      let command =
        (user + [
          "env", "LIMA_HOME=\(home ?? scene.daemon.home)", Installation.daemon, "doctor", "--json",
        ]
        + modes).joined(separator: " ")
      let words = scene.host.wrapper + ["unshare", "-m", "sh", "-c", "\(before)\nexec \(command)"]
      let result = try run(words[0], Array(words.dropFirst()), seconds: 60)
      let lines = try? JSONDecoder().decode([Line].self, from: Data(result.output.utf8))
      return (try #require(lines, "\(result)"), result)
    }

    /// - Parameter isRoots: the home is root's, not the user's.
    private func scene(isRoots: Bool = false) throws -> HostTapScene {
      try require(.tap, .nobody)
      let scene = try HostTapScene(start: false)
      if !isRoots { try run("chown", ["-R", "65534:65534", scene.daemon.home]) }
      return scene
    }

    @Test func `what is set up is well, and only what a mode needs counts`() throws {
      let scene = try scene()
      defer { scene.stop() }
      #expect(
        try scene.host.shell(
          "ip link add br0 type bridge; \(Installation.tapHelper) setup shared --owner 65534 --address 192.168.105.1/24"
        ).succeeded)
      let mended = "mount --bind /dev/null /etc/sudoers; chmod 666 /dev/net/tun"
      // As an earlier version made it; and as it is now.
      let old = try doctor(scene, before: mended, ["shared"]).lines.first { $0.check == "tap" }
      let missing6 = try #require(old?.text.firstMatch(of: /it would be ([^)]+)/)?.1)
      #expect(
        try scene.host.shell(
          "\(Installation.tapHelper) setup shared --owner 65534 --address 192.168.105.1/24 --address6 \(missing6.replacing(":", with: "-"))"
        ).succeeded)
      let (lines, result) = try doctor(scene, before: mended, ["shared"])
      #expect(result.succeeded, "\(result)")
      let tap = try #require(lines.first { $0.check == "tap" })
      #expect(tap.status == "ok" && tap.text.contains("ln65534-shared is set up"), "\(tap)")
      #expect(lines.allSatisfy { $0.modes == ["shared"] })
      // The others are configured, and have no interface.
      let (all, failed) = try doctor(scene, before: mended)
      #expect(failed.status == 1, "\(failed)")
      let missing = all.filter { $0.check == "tap" && $0.status == "problem" }
      #expect(missing.map(\.modes) == [["host"], ["bridged"]], "\(missing)")
      #expect(
        missing.first?.remedy
          == "sudo \(Installation.daemon) network setup host --lima-home \(scene.daemon.home)")
      #expect(try doctor(scene, before: mended, ["slirp", "user-v2"]).result.succeeded)
    }

    @Test func `each thing that is broken has its line`() throws {
      let scene = try scene()
      defer { scene.stop() }
      #expect(
        try scene.host.shell(
          """
          ip addr add 192.168.105.77/25 dev own
          ip tuntap add dev ln65534-host mode tap
          echo '1 0' >/proc/sys/net/ipv4/ping_group_range
          ip link add br0 type dummy || ip link add br0 type veth
          ip link set br0 master own
          """
        ).succeeded)
      let home = scene.daemon.home
      // A pid file of a process that is gone, and a socket without a server.
      let stale = try run("sh", ["-c", "echo $$"]).output
      try FileManager.default.createDirectory(
        atPath: home + "/_networks", withIntermediateDirectories: true)
      try stale.write(
        toFile: home + "/_networks/lima-netd.pid", atomically: true, encoding: .utf8)
      let (lines, result) = try doctor(
        scene,
        before: """
          mkdir \(home)/dev && mknod \(home)/dev/tun c 10 200 && chmod 600 \(home)/dev/tun
          mount --bind \(home)/dev/tun /dev/net/tun
          : >\(home)/resolv && mount --bind \(home)/resolv /etc/resolv.conf
          """)
      #expect(result.status == 1, "\(result)")
      let wanted: [(check: String, status: String, text: String, remedy: String)] = [
        (
          "daemon", "warning", "left by a daemon that is gone",
          "rm -f \(home)/_networks/lima-netd.pid"
        ),
        ("tun", "problem", "cannot be opened", "sudo chmod 666 /dev/net/tun"),
        ("tun", "warning", "cannot be opened", "sudo chmod 666 /dev/net/tun"),
        ("ping-group-range", "warning", "\"1 0\"", "sysctl -w net.ipv4.ping_group_range"),
        ("resolver", "warning", "names no nameserver", "resolv.conf"),
        (
          "subnet", "problem", "own has 192.168.105.77/25", "network edit shared --gateway 192.168."
        ),
        ("tap", "problem", "ln65534-shared is not set up", "network setup shared"),
        ("tap", "problem", "ln65534-host has no owner", "sudo ip link del ln65534-host"),
        ("bridge", "problem", "br0 is a port of own", "--interface own"),
      ]
      for one in wanted {
        #expect(
          lines.contains {
            $0.check == one.check && $0.status == one.status && $0.text.contains(one.text)
              && $0.remedy?.contains(one.remedy) == true
          }, "\(one)\n\(result)")
      }
    }

    @Test
    func
      `a long home, a missing helper and files that are not what they seem keep it from nothing`()
      throws
    {
      let scene = try scene()
      defer { scene.stop() }
      let long = "/tmp/" + String(repeating: "long", count: 30)
      let (tooLong, _) = try doctor(scene, home: long)
      let line = try #require(tooLong.first { $0.check == "home" })
      #expect(line.status == "problem" && line.text.contains("107"), "\(line)")

      // Pipes where files should be: nobody writes into them.
      let home = scene.daemon.home
      #expect(
        try run(
          "sh",
          [
            "-c",
            """
            cd \(home) && mkdir -p _networks && mkfifo _networks/lima-netd.pid
            rm _config/networks.yaml && mkfifo _config/networks.yaml && chmod -R a+rwX .
            """,
          ]
        ).succeeded)
      let (lines, result) = try doctor(
        scene,
        before: """
          mount -t tmpfs none \(home)/_networks && touch \(home)/_networks/lima-netd.sock
          mkfifo \(home)/pipe && mount --bind \(home)/pipe /dev/net/tun
          mount --bind \(home)/pipe /etc/resolv.conf
          : >\(home)/empty && chmod 644 \(home)/empty && mount --bind \(home)/empty \(Installation.tapHelper)
          """)
      #expect(result.status == 1, "\(result)")
      let wanted: [(check: String, text: String)] = [
        ("configuration", "a named pipe"), ("daemon", "a regular file is there"),
        ("tun", "a named pipe is there"), ("resolver", "a named pipe is there"),
        ("helper", "is not a program"),
      ]
      for one in wanted {
        #expect(
          lines.contains {
            $0.check == one.check && $0.status != "ok" && $0.text.contains(one.text)
          },
          "\(one)\n\(result)")
      }
    }

    @Test func `a daemon that serves the home is told, and a program that hangs is given up`()
      throws
    {
      let scene = try scene(isRoots: true)
      defer { scene.stop() }
      try scene.daemon.start()
      let home = scene.daemon.home
      #expect(try eventually { try scene.daemon.netd("status").succeeded })
      // A sudo and an unshare that never end.
      try run(
        "sh",
        [
          "-c",
          "mkdir \(home)/bin && for p in sudo unshare; do printf '#!/bin/sh\\nexec sleep 600\\n' >\(home)/bin/$p; done; chmod -R a+rx \(home)/bin; chmod -R a+rX \(home)",
        ])
      let (lines, _) = try doctor(
        scene, user: Self.user + ["env", "PATH=\(home)/bin:/usr/sbin:/usr/bin:/sbin:/bin"])
      #expect(
        lines.contains { $0.check == "sudo" && $0.text.contains("did not answer") }, "\(lines)")
      let (asRoot, _) = try doctor(scene, user: [])
      #expect(
        asRoot.contains {
          $0.check == "daemon" && $0.text.hasSuffix("process \(scene.daemonProcess)")
        }, "\(asRoot)")
    }

    @Test func `a mode that there is not is refused, with the nearest`() throws {
      let result = try run(
        Installation.daemon, ["doctor", "sharde"], environment: ["LIMA_HOME": "/tmp/x"])
      #expect(!result.succeeded && result.errors.contains("did you mean `shared`?"), "\(result)")
    }
  }
}

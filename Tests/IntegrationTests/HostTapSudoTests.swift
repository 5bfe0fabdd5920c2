// SPDX-License-Identifier: Apache-2.0
//
// The real sudo, and a user without privileges. Accounts, sudoers and /dev/net/tun are this test's own, in mount namespaces
// over the machine's: nothing has to be taken back.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct HostTapSudoTests {
    private static let uid = 61_234

    /// Files to lie over the machine's, and what becomes the user among them.
    private func stage(_ folder: String) throws -> [String] {
      try FileManager.default.createDirectory(
        atPath: folder + "/sudoers.d", withIntermediateDirectories: true)
      let account = "lndsudo"
      let made = try run(
        "sh",
        [
          "-ec",
          """
          cd \(folder); chmod 755 . sudoers.d
          cp /etc/passwd passwd; cp /etc/group group; cp -p /etc/shadow shadow
          echo '\(account):x:\(Self.uid):\(Self.uid)::\(folder):/bin/sh' >>passwd
          echo '\(account):x:\(Self.uid):' >>group
          echo '\(account):!:19000:0:99999:7:::' >>shadow
          mknod -m 666 tun c 10 200
          cat >become <<'END'
          #!/bin/sh
          set -e
          mount --make-rprivate /
          for file in passwd group shadow sudoers.d; do mount --bind \(folder)/$file /etc/$file; done
          mount --bind \(folder)/tun /dev/net/tun
          exec setpriv --reuid \(Self.uid) --regid \(Self.uid) --clear-groups "$@"
          END
          chmod 755 become
          """,
        ])
      try #require(made.succeeded, "\(made)")
      return ["unshare", "-m", folder + "/become"]
    }

    private func write(sudoers: String, _ folder: String) throws {
      let path = folder + "/sudoers.d/lima-netd"
      try? FileManager.default.removeItem(atPath: path)
      try sudoers.write(toFile: path, atomically: false, encoding: .utf8)
      try run("chmod", ["440", path])
    }

    @Test func `with sudo once, or one line of sudoers, a user has a network that the host pings`()
      throws
    {
      try require(.tap, .nobody, .program("sudo"), .program("python3"), .program("curl"))
      let folder = "/tmp/lndr\(UInt32.random(in: .min ... .max))"
      let user = try stage(folder)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      // A home without networks.yaml.
      let scene = try HostTapScene(configuration: nil, user: user)
      defer { scene.stop() }
      let become = scene.host.wrapper + user
      func sudo(_ words: String...) throws -> CommandResult {
        let all = become + ["sudo", "-n", Installation.daemon, "network"] + words
        return try run(all[0], Array(all.dropFirst()))
      }
      let home = ["--lima-home", scene.daemon.home]
      let interface = "ln\(Self.uid)-shared"

      // By `network setup`, once: the file comes with it, and belongs to the user.
      try write(sudoers: "lndsudo ALL=(root) NOPASSWD: ALL\n", folder)
      let setup = try sudo("setup", "shared", home[0], home[1])
      #expect(setup.succeeded && setup.output.contains(interface), "\(setup)")
      let file = scene.daemon.home + "/_config/networks.yaml"
      let owner = try FileManager.default.attributesOfItem(atPath: file)[.ownerAccountID] as? Int
      #expect(owner == Self.uid)
      // Of a second home it would be the same interface.
      let second = scene.daemon.home + "/second"
      let made = try run(
        "sh",
        [
          "-ec",
          "mkdir -p \(second)/_config; cp \(file) \(second)/_config; chown -R \(Self.uid) \(second)",
        ])
      #expect(made.succeeded, "\(made)")
      let taken = try sudo("setup", "shared", home[0], second)
      #expect(
        !taken.succeeded
          && taken.errors.contains(
            "\(interface) is set up for network shared of \(scene.daemon.home)")
          && taken.errors.contains("network unsetup shared --lima-home \(scene.daemon.home)"),
        "\(taken)")
      let told = try scene.daemon.netd("doctor", "shared", home[0], second)
      #expect(told.output.contains("of that name of \(scene.daemon.home)"), "\(told)")
      // Without root, in words of its own.
      let plain = become + [Installation.daemon, "network", "unsetup", "shared"] + home
      let refused = try run(plain[0], Array(plain.dropFirst()))
      #expect(
        refused.errors.contains("Only root can take an interface away")
          && refused.errors.contains("sudo \(Installation.daemon) network unsetup shared"),
        "\(refused)")
      let unknown = try sudo("setup", "nope", home[0], home[1])
      #expect(
        unknown.errors.contains("lima-netd network create nope --mode shared"), "\(unknown)")
      try write(sudoers: "", folder)
      let address = try eventuallyServes(scene)
      let page = try scene.host.shell(
        "ping -c 1 -W 5 \(address) && curl -sS -m 10 http://\(address):8000/")
      #expect(page.output.contains("guest web"), "\(page)\n\(scene.daemon.log)")
      // While it is in use nothing is changed, and who has it is told.
      try write(sudoers: "lndsudo ALL=(root) NOPASSWD: ALL\n", folder)
      let inUse = try sudo("unsetup", "shared", home[0], home[1])
      #expect(
        inUse.errors.contains("is in use by the lima-netd of \(scene.daemon.home)")
          && inUse.errors.contains("network stop shared"), "\(inUse)")
      try write(sudoers: "", folder)
      #expect(try scene.daemon.netd("network", "stop", "shared").succeeded)
      try write(sudoers: "lndsudo ALL=(root) NOPASSWD: ALL\n", folder)
      #expect(
        try eventually { try sudo("unsetup", "shared", home[0], home[1]).succeeded })
      #expect(try !scene.interfaces().contains(interface))

      // What could not start for want of it says so no longer than it is so.
      try write(sudoers: "", folder)
      func note() throws -> String { try scene.daemon.netd("network", "ls").output }
      #expect(try !scene.daemon.netd("network", "start", "shared").succeeded)
      #expect(try note().contains("Set it up once"))
      try write(sudoers: "lndsudo ALL=(root) NOPASSWD: ALL\n", folder)
      #expect(try sudo("setup", "shared", home[0], home[1]).succeeded)
      #expect(try eventually { try !note().contains("Set it up once") })
      // A network that is deleted leaves it, and says so.
      let deleted = try scene.daemon.netd("network", "delete", "shared")
      #expect(
        deleted.output.contains("\(interface), which `network setup` made, is still there")
          && deleted.output.contains("network unsetup shared"), "\(deleted)")
      #expect(try sudo("unsetup", "shared", home[0], home[1]).succeeded)
      let created = try scene.daemon.netd("network", "create", "shared")
      #expect(created.succeeded, "\(created)")

      // By the line of docs/networks.md, with a terminal of sudo's own between.
      try write(
        sudoers: """
          Defaults use_pty
          lndsudo ALL=(root) NOPASSWD: \(Installation.tapHelper) open shared --address 192.168.105.1/24

          """, folder)
      // A network that has failed is not tried again within a second.
      #expect(
        try eventually {
          try scene.daemon.netd("network", "start", "shared").succeeded
        }, "\(scene.daemon.log)")
      #expect(try scene.interfaces().contains(interface))
      let guest = try scene.daemon.guest("ping -c 1 -W 5 192.168.105.1", on: "shared")
      #expect(guest.succeeded, "\(guest)")
      // The line is older than IPv6 there.
      #expect(scene.daemon.log(of: "shared").contains("guests have no IPv6"))
      // Other words than the line's are not allowed by it.
      let other = become + ["sudo", "-n", Installation.tapHelper, "setup", "shared", "--address"]
      #expect(try !run(other[0], Array(other.dropFirst()) + ["192.168.105.1/24"]).succeeded)
      #expect(try scene.daemon.netd("network", "stop", "shared").succeeded)
      #expect(try eventually { try !scene.interfaces().contains(interface) })
    }

    @Test func `on a network card, too, one line of sudoers is all that a user needs`() throws {
      try require(.tap, .nobody, .program("sudo"))
      let folder = "/tmp/lndr\(UInt32.random(in: .min ... .max))"
      let user = try stage(folder)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let scene = try HostTapScene(
        configuration: "group: sudo\nnetworks: {lan: {mode: bridged, interface: out}}\n",
        user: user)
      defer { scene.stop() }
      let refused = try scene.daemon.netd("network", "start", "lan")
      #expect(!refused.succeeded && refused.errors.contains("network card out"), "\(refused)")
      #expect(refused.errors.contains("| sudo tee /etc/sudoers.d/lima-netd"), "\(refused)")
      // Who is not one of the group has lines of their own.
      let line = try scene.daemon.netd("sudoers")
      #expect(line.output.contains("\nlndsudo ALL=(root) "), "\(line)")
      #expect(line.output.contains("lima-netd-tap open lan --bridge out\n"), "\(line)")
      try write(sudoers: "Defaults use_pty\n" + line.output, folder)
      // A refusal of sudo's is not repeated for ten seconds, for the sake of the system's log.
      #expect(
        try eventually {
          try scene.daemon.netd("network", "start", "lan").succeeded
        }, "\(scene.daemon.log)")
      let guests = try ["one", "two"].map { try BridgedGuest(scene, $0) }
      defer { guests.forEach { $0.stop() } }
      for (number, guest) in guests.enumerated() {
        try guest.machine.shell("ip addr add 203.0.113.5\(number)/24 dev lan0")
        #expect(
          try eventually {
            try scene.outsideShell("ping -c 1 -W 1 203.0.113.5\(number)").succeeded
          }, "\(scene.daemon.log)")
      }
    }

    /// The daemon sees the file that root wrote for the user without being told.
    private func eventuallyServes(_ scene: HostTapScene) throws -> String {
      let socket = scene.daemon.socket("qemu", of: "shared")
      #expect(eventually { FileManager.default.fileExists(atPath: socket) })
      return try scene.server("web", on: "shared")
    }
  }
}

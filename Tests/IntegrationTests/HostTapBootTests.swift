// SPDX-License-Identifier: Apache-2.0
//
// The unit of `network setup --boot`: as written, judged by systemd, and booted.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct HostTapBootTests {
    @Test
    func `set up again in use changes nothing, and what can never start is refused with its place`()
      throws
    {
      try require(.tap, .root)
      let scene = try HostTapScene(
        configuration: """
          networks:
            shared: {mode: shared}
            bad:
              mode: shared
              gateway: 192.168.123.1
              options: {prefix6: "fd12:3456::/48"}

          """)
      defer { scene.stop() }
      func network(_ words: String) throws -> CommandResult {
        try scene.host.shell(
          "export SUDO_UID=0; \(Installation.daemon) network \(words) --lima-home \(scene.daemon.home)"
        )
      }
      func interface() throws -> String {
        try scene.host.shell("ip -o addr show dev ln0-shared; ip -o link show dev ln0-shared")
          .output
      }
      let first = try network("setup shared")
      #expect(first.succeeded, "\(first)")
      let started = try network("start shared")
      #expect(started.succeeded, "\(started)")
      let before = try interface()
      let again = try network("setup shared")
      #expect(again.succeeded, "\(again)")
      let after = try interface()
      #expect(before == after && before.contains("192.168.105.1/24"))
      let refused = try network("setup bad")
      #expect(
        !refused.succeeded && refused.errors.contains("networks.yaml:6:")
          && !refused.errors.contains("lima-netd-tap"), "\(refused)")
      #expect(!(try scene.host.shell("ip link show dev ln0-bad")).succeeded)
    }

    @Test func `the unit of a set-up network makes its interface when systemd boots`() throws {
      try require(.tap, .root, .program("systemd-analyze"), .program("systemctl"))
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      let folder = scene.daemon.home + "/boot"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      // A host that runs systemd, as far as `setup` looks: what it would write is kept.
      let written = try scene.host.shell(
        """
        exec unshare -m sh -ec '
          mount --make-rprivate /
          mount -t tmpfs none /run; mkdir -p /run/systemd/system
          mount --bind \(folder) /etc/systemd/system
          printf "#!/bin/sh\\necho \\$* >>\(folder)/asked\\n" >/run/systemctl; chmod 755 /run/systemctl
          mount --bind /run/systemctl /usr/bin/systemctl
          export SUDO_UID=0
          \(Installation.daemon) network setup shared --boot --lima-home \(scene.daemon.home)
          cp \(folder)/*.service \(folder)/kept
          \(Installation.daemon) network unsetup shared --lima-home \(scene.daemon.home)'
        """)
      #expect(written.succeeded, "\(written)")
      let name = "lima-netd-tap-0-shared.service"
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/\(name)"))
      let asked = try String(contentsOfFile: folder + "/asked", encoding: .utf8)
      #expect(
        asked == """
          --quiet daemon-reload
          --quiet enable \(name)
          --quiet disable \(name)
          --quiet daemon-reload

          """)
      let unit = folder + "/" + name
      let text = try String(contentsOfFile: folder + "/kept", encoding: .utf8)
      try text.write(toFile: unit, atomically: true, encoding: .utf8)
      let verified = try run("systemd-analyze", ["verify", unit])
      #expect(verified.succeeded && verified.errors.isEmpty, "\(verified)")

      // Where `make install` puts the helper: a boot empties /tmp.
      let installed = "/usr/local/libexec/lima-netd/lima-netd-tap"
      try text.replacing(Installation.tapHelper, with: installed)
        .write(toFile: unit, atomically: true, encoding: .utf8)
      let boot = try run(
        Installation.fixtures + "/boot.sh",
        [folder, unit, Installation.tapHelper, "ln0-shared"], seconds: 90)
      let told = try String(contentsOfFile: folder + "/told", encoding: .utf8)
      #expect(told.contains("ActiveState=active"), "\(told)\(boot)")
      #expect(told.contains("inet 192.168.105.1/24") && told.contains("persist on"), "\(told)")
      #expect(told.contains("user root"), "\(told)")
    }
  }
}

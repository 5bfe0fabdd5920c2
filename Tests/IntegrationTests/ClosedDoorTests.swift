// SPDX-License-Identifier: Apache-2.0
//
// What the machine may forbid a guest: /dev/net/tun, user namespaces, ping sockets.
// Each message names what is closed and the command that opens it.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct ClosedDoorTests {
    private static let asNobody = [
      "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
    ]

    /// Runs `exec default -- true` as nobody, after `setup`, a shell script by root in mounts of its own.
    private func exec(after setup: String) throws -> CommandResult {
      let daemon = try TestDaemon(wrapper: Self.asNobody, start: false)
      defer { daemon.stop() }
      let words = Self.asNobody + [Installation.daemon, "exec", "default", "--", "true"]
      return try run(
        "unshare",
        ["-m", "sh", "-c", "set -e; cd /; \(setup); exec \"$@\"", "sh"] + words,
        environment: daemon.environment, seconds: 20)
    }

    @Test func aTapDeviceOfRootAloneIsNamedWithItsRemedy() throws {
      try require(.tap, .nobody)
      let result = try exec(
        after: """
          mount -t tmpfs none /mnt; mknod -m 0600 /mnt/tun c 10 200; mount --bind /mnt/tun /dev/net/tun
          """)
      #expect(result.status == 125, "\(result)")
      #expect(result.errors.contains("sudo chmod 0666 /dev/net/tun"), "\(result)")
    }

    @Test func aTapDeviceThatIsMissingIsNamedWithItsRemedy() throws {
      try require(.tap, .nobody)
      let result = try exec(after: "mount -t tmpfs none /dev/net")
      #expect(result.status == 125, "\(result)")
      #expect(result.errors.contains("sudo modprobe tun"), "\(result)")
    }

    @Test func closedUserNamespacesAreNamedWithTheirRemedy() throws {
      try require(.tap, .program("setpriv"))
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      // The limit holds in the user namespace where it is set, and below.
      let result = try run(
        "unshare",
        [
          "-Ur", "sh", "-c",
          """
          echo 0 >/proc/sys/user/max_user_namespaces || exit 77
          exec setpriv --bounding-set=-all --inh-caps=-all \
            \(Installation.daemon) exec default -- true
          """,
        ], environment: daemon.environment, seconds: 20)
      if result.status == 77 { try Test.cancel("the limit cannot be set here") }
      #expect(result.status == 125, "\(result)")
      #expect(result.errors.contains("sudo sysctl -w user.max_user_namespaces"), "\(result)")
    }

    @Test func closedPingSocketsAreNamedWithTheirRemedyAndTheGatewayAnswers() throws {
      try require(.tap)
      let machine = try Namespace(addresses: ["192.0.2.2/24"])
      defer { machine.remove() }
      try machine.shell("echo '1 0' >/proc/sys/net/ipv4/ping_group_range")
      let daemon = try TestDaemon(wrapper: machine.wrapper)
      defer { daemon.stop() }
      let gateway = try daemon.netd("exec", "default", "--", "ping", "-c", "1", "192.168.5.2")
      #expect(gateway.succeeded, "\(gateway)")
      #expect(
        gateway.errors.contains("sudo sysctl -w net.ipv4.ping_group_range"), "\(gateway)")
      let outside = try daemon.netd(
        "exec", "default", "--", "ping", "-c", "1", "-W", "1", "192.0.2.2")
      #expect(outside.output.contains("0 received"), "\(outside)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The daemon as a service of a real systemd --user, and without one: stop, reload, restart; its logs; its guests.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct ServiceTests {
    /// What is said of each step, by a shell with `set -e`, beside systemd. `$netd` is the program.
    private static let life = """
      set -e
      say() { echo "== $*"; }
      mkdir -p $HOME/.lima/_config
      printf 'networks:\\n  lab: {mode: slirp}\\n' >$HOME/.lima/_config/networks.yaml
      $netd service status || say status $?
      $netd service install
      $netd service status
      say sockets $(systemctl --user show lima-netd.socket -p ActiveState)
      $netd exec lab --name one -- sleep 1 && say guest
      # The network's process has nothing of what systemd told the daemon.
      child=$(pgrep -P $(systemctl --user show lima-netd -p MainPID --value) | head -1)
      say told $(tr '\\0' '\\n' </proc/$child/environ | grep -cE '^(NOTIFY|LISTEN)_')
      printf 'networks:\\n  lab: {mode: slirp, options: {mtu: 9000}}\\n  new: {mode: slirp}\\n' >$HOME/.lima/_config/networks.yaml
      systemctl --user reload lima-netd && say reloaded
      $netd service status | grep NOTE
      printf 'networks:\\n  lab: {mode: slirp, nonsense: 1}\\n' >$HOME/.lima/_config/networks.yaml
      systemctl --user reload lima-netd 2>/dev/null || say refused
      $netd status | grep 'NOTE the configuration is refused'
      printf 'networks:\\n  lab: {mode: slirp}\\n' >$HOME/.lima/_config/networks.yaml
      # Who comes while no daemon runs waits for the next one, and starts it.
      systemctl --user stop lima-netd.service
      [ -S $HOME/.lima/_networks/lab/lab_qemu.sock ] && say sockets stay
      $netd exec lab -- true && say started by a guest
      before=$(systemctl --user show lima-netd -p MainPID --value)
      $netd restart
      [ "$before" != "$(systemctl --user show lima-netd -p MainPID --value)" ] && say another process
      # As after su: no way to the user's systemd.
      env -u XDG_RUNTIME_DIR -u DBUS_SESSION_BUS_ADDRESS $netd restart >$HOME/said 2>&1 || say su: $(cat $HOME/said)
      # A process that dies is replaced.
      kill -9 $(systemctl --user show lima-netd -p MainPID --value)
      $netd exec lab -- true && say came back
      $netd serve 2>&1 | grep 'serves .* already'
      $netd stop
      say $(systemctl --user is-active lima-netd.service lima-netd.socket)
      [ ! -e $HOME/.lima/_networks/lima-netd.sock ] && say no sockets
      $netd stop
      $netd service uninstall
      say left $(find $HOME/.config -name 'lima-netd*' | wc -l)
      $netd service uninstall
      """

    @Test func `systemd runs the daemon, keeps its sockets, and reloads it`() throws {
      try require(.tap, .root, .program("systemctl"), .program("/lib/systemd/systemd"))
      let home = "/tmp/lndu\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: home) }
      let result = try run(
        Installation.fixtures + "/user-systemd.sh", [home, "sh", "-c", Self.life],
        environment: ["netd": Installation.daemon], seconds: 100)
      let log = (try? String(contentsOfFile: home + "/systemd.log", encoding: .utf8)) ?? ""
      #expect(result.succeeded, "\(result)\n\(log.suffix(3000))")
      let said = result.output.split(separator: "\n").map(String.init)
      for line in [
        "The service is not installed:  lima-netd service install", "== status 4",
        "The daemon runs, and is started at each login; networks: default, lab, user-v2",
        "It is started at each login", "== sockets ActiveState=active", "== guest", "== told 0",
        "== reloaded", "== refused", "== sockets stay", "== started by a guest",
        "== another process", "== came back", "== inactive inactive", "== no sockets",
        "No daemon serves \(home)/.lima", "The service is gone",
        "There is no service of this user's",
      ] {
        #expect(said.contains(line), "\(line)\n\(result)")
      }
      let away = said.first { $0.hasPrefix("== su:") } ?? ""
      #expect(
        away.contains("The systemd of this user does not answer")
          && away.contains("loginctl enable-linger") && !away.contains("journalctl"), "\(result)")
      #expect(result.output.contains("NOTE networks that networks.yaml got later"), "\(result)")
    }

    @Test func `a virtual machine's socket waits while the daemon is not there`() throws {
      try require(
        .tap, .root, .program("systemctl"), .program("/lib/systemd/systemd"), .program("python3"))
      let home = "/tmp/lndu\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: home) }
      // A frame of QEMU's stream format: who-has 192.168.5.2, sent before the daemon runs.
      let script = """
        import os, socket, struct
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(os.environ["HOME"] + "/.lima/_networks/default/default_qemu.sock")
        mac = bytes.fromhex("525555000001")
        arp = b"\\xff" * 6 + mac + bytes.fromhex("08060001080006040001") + mac
        arp += socket.inet_aton("192.168.5.15") + bytes(6) + socket.inet_aton("192.168.5.2")
        s.sendall(struct.pack(">I", len(arp)) + arp)
        stream = s.makefile("rb")
        while True:  # whatever else a router says
            frame = stream.read(struct.unpack(">I", stream.read(4))[0])
            if frame[12:14] == b"\\x08\\x06": break
        print("answer from", socket.inet_ntoa(frame[28:32]))
        """
      let result = try run(
        Installation.fixtures + "/user-systemd.sh",
        [
          home, "sh", "-ec",
          "$netd service install >/dev/null; systemctl --user stop lima-netd.service; python3 -c \"$script\"; $netd service uninstall",
        ],
        environment: ["netd": Installation.daemon, "script": script], seconds: 100)
      #expect(result.succeeded && result.output.contains("answer from 192.168.5.2"), "\(result)")
    }

    @Test func `without a service manager it is reloaded, started again and stopped`() throws {
      try require(.tap)
      let daemon = try TestDaemon(configuration: "networks:\n  lab: {mode: slirp}\n")
      defer { daemon.stop() }
      try daemon.write(configuration: "networks:\n  lab: {mode: slirp}\n  new: {mode: slirp}\n")
      let reloaded = try daemon.netd("reload")
      #expect(
        reloaded.succeeded && reloaded.output.contains("network new added"), "\(reloaded)")
      try daemon.write(configuration: "networks:\n  lab: {mode: slirp, nonsense: 1}\n")
      let refused = try daemon.netd("reload")
      #expect(
        refused.status == 1 && refused.errors.contains("networks.yaml:2:"), "\(refused)")
      try daemon.write(configuration: "networks:\n  lab: {mode: slirp}\n")

      let started = try daemon.status()["started"] as? String
      let descriptors = "/proc/\(daemon.processIdentifier)/fd"
      let before = try FileManager.default.contentsOfDirectory(atPath: descriptors).count
      let restarted = try daemon.netd("restart")
      #expect(
        restarted.output
          == "A new daemon serves \(daemon.home) (process \(daemon.processIdentifier))\n",
        "\(restarted)")
      #expect(try daemon.status()["started"] as? String != started)
      // The process is the same, and nothing of the one before is left open in it: but for the API's, which come with a request.
      let after = try FileManager.default.contentsOfDirectory(atPath: descriptors).count
      #expect(after <= before, "\(before), \(after)")
      #expect(try daemon.guest("true", on: "lab").succeeded)

      let stopped = try daemon.netd("stop")
      #expect(stopped.output.contains("is stopped"), "\(stopped)")
      #expect(eventually { daemon.command?.process.isRunning == false })
      let again = try daemon.netd("stop")
      #expect(again.succeeded && again.output.hasPrefix("No daemon serves"), "\(again)")
      #expect(try daemon.netd("restart").status == 1)
    }

    @Test func `guests are listed with what they send, and sent away`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let web = try daemon.begin("exec", "user-v2", "--name", "web", "--", "sleep", "60")
      let other = try daemon.begin(
        "exec", "user-v2", "--name", "other", "--", "ping", "-q", "web")
      defer { for guest in [web, other] { guest.stop() } }
      func guests() throws -> [[String: Any]] {
        let listed = try daemon.netd("guest", "ls", "--json")
        return try JSONSerialization.jsonObject(with: Data(listed.output.utf8)) as? [[String: Any]]
          ?? []
      }
      // It knows the address, and has seen frames both ways.
      let known = try eventually {
        try guests().filter {
          ($0["addresses"] as? [String])?.first?.hasPrefix("192.168.104.") == true
            && (($0["fromGuest"] as? [String: Any])?["frames"] as? Int ?? 0) > 2
            && (($0["toGuest"] as? [String: Any])?["bytes"] as? Int ?? 0) > 100
        }.count == 2
      }
      #expect(known)
      let table = try daemon.netd("guest", "ls", "user-v2")
      let lines = table.output.split(separator: "\n")
      #expect(lines.count == 3 && lines.allSatisfy { $0.count <= 80 }, "\(table)")
      let listed = try guests().first { $0["name"] as? String == "web" }
      let mac = try #require((listed?["macs"] as? [String])?.first)
      let inspected = try daemon.netd("guest", "inspect", "user-v2", mac)
      #expect(inspected.output.hasPrefix("web of user-v2, guest "), "\(inspected)")
      // A forward leads to an address: whoever gives the guest's name is told it.
      let named = try daemon.netd("forward", "add", "user-v2", "tcp", "0", "WEB:80")
      let address = try #require((listed?["addresses"] as? [String])?.first)
      #expect(
        named.status == 1
          && named.errors.contains("lima-netd forward add user-v2 tcp 0 \(address):80"), "\(named)")
      let unknown = try daemon.netd("forward", "add", "user-v2", "tcp", "0", "nope:80")
      #expect(unknown.errors.contains("neither an address nor a guest"), "\(unknown)")
      let nobody = try daemon.netd("guest", "disconnect", "user-v2", "wbe")
      #expect(nobody.errors.contains("did you mean `web`?"), "\(nobody)")
      let gone = try daemon.netd("guest", "disconnect", "user-v2", mac)
      #expect(gone.output == "web of user-v2 is disconnected\n", "\(gone)")
      let left = try eventually { try guests().map { $0["name"] as? String } == ["other"] }
      #expect(left)
      #expect(try daemon.netd("logs", "user-v2").output.contains("disconnected by"))
    }

    @Test func `a conflict between guests is a note in status, within 80 columns`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let one = try daemon.begin(
        "exec", "user-v2", "--name", "one", "--mac", "52:55:55:00:00:01", "--", "ping", "-q",
        "192.168.104.2")
      defer { one.stop() }
      #expect(try eventually { try daemon.netd("leases").output.contains("52:55:55:00:00:01") })
      // It takes the other's Ethernet address after it has come.
      let two = try daemon.begin(
        "exec", "user-v2", "--name", "two", "--", "sh", "-c",
        "ip link set eth0 address 52:55:55:00:00:01; ping -q 192.168.104.2")
      defer { two.stop() }
      let noted = try eventually {
        try (daemon.status()["notes"] as? [[String: Any]])?.contains {
          ($0["text"] as? String)?.contains("52:55:55:00:00:01") == true
        } == true
      }
      #expect(noted, "\(daemon.log(of: "user-v2"))")
      let status = try daemon.netd("status")
      #expect(status.output.contains("NOTE user-v2: guest"), "\(status)")
      #expect(status.output.contains("give each VM an Ethernet"), "\(status)")
      #expect(status.output.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(status)")
      let logs = try daemon.netd("logs", "-n", "500", "user-v2")
      #expect(
        logs.output.contains("WARN  switch: ") && logs.output.contains(" INFO "), "\(logs)")
      let none = try daemon.netd("logs", "usr-v2")
      #expect(none.errors.contains("did you mean `user-v2`?"), "\(none)")
    }

    @Test func `logs -f shows what comes`() throws {
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let follower = try daemon.begin("logs", "-f", "-n", "0", "default")
      defer { follower.stop() }
      // Of the daemon, and of the network's process, whose file is made only now. More than once, should the follower not
      // have looked before the first.
      #expect(
        try eventually {
          try daemon.netd("network", "start", "default")
          try daemon.netd("network", "stop", "default")
          return eventually(within: 1) { follower.output.contains("network default: ") }
        }, "\(follower.output)")
      #expect(!follower.output.contains("network user-v2"))
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// An upgrade where the sockets are a service manager's, where another daemon is the uplink, and where the disk is full.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct UpgradeSceneTests {
    /// As a service manager does (sd_listen_fds(3)): binds the sockets, and is the daemon from then on.
    private static let activate = """
      import os, socket, sys
      program, paths = sys.argv[1], sys.argv[2:]
      for number, path in enumerate(paths):
          os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
          s = socket.socket(socket.AF_UNIX)
          s.bind(path)
          s.listen(64)
          if s.fileno() != 3 + number: os.dup2(s.fileno(), 3 + number)
          else: os.set_inheritable(s.fileno(), True)
          s.detach()
      os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), str(len(paths))
      os.execv(program, [program, "serve"])
      """

    private static let connect = """
      import socket, sys, time
      s = socket.socket(socket.AF_UNIX)
      s.connect(sys.argv[1])
      time.sleep(60)
      """

    private static func inode(_ path: String) throws -> Int {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      return try #require(attributes[.systemFileNumber] as? Int)
    }

    @Test func `sockets of a service manager are served by the next program, and stay its own`()
      throws
    {
      try require(.program("python3"))
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let paths = [
        daemon.home + "/_networks/lima-netd.sock", daemon.socket("qemu", of: "user-v2"),
      ]
      let service = try RunningCommand(
        "python3", ["-c", Self.activate, Installation.daemon] + paths,
        environment: daemon.environment)
      defer { service.stop() }
      #expect(try eventually { try daemon.netd("status").succeeded }, "\(service.errors)")
      let inodes = try paths.map(Self.inode)
      let pid = try daemon.status()["pid"] as? Int
      #expect(pid == Int(service.process.processIdentifier))
      let script = Installation.fixtures + "/upgraded.py"
      func count(_ link: RunningCommand) -> Int {
        link.output.split(separator: "\n").count { $0.hasPrefix("count ") }
      }
      func guests() throws -> Int? {
        (try daemon.network("user-v2")["guests"] as? [Any])?.count
      }
      let link = try RunningCommand("python3", [script, "link", paths[1]])
      defer { link.stop() }
      #expect(eventually { count(link) > 0 }, "\(link.errors)\(daemon.log)")
      // The second one has them from the first.
      for round in 1...2 {
        let upgrade = try daemon.netd("upgrade")
        #expect(upgrade.succeeded, "\(round): \(upgrade)\(daemon.log)")
        let before = count(link)
        #expect(eventually { count(link) > before }, "\(round): \(link.errors)\(daemon.log)")
        // New clients of each socket.
        #expect(try daemon.status()["pid"] as? Int == pid)
        let other = try RunningCommand("python3", ["-c", Self.connect, paths[1]])
        #expect(try eventually { try guests() == 2 }, "\(round): \(other.errors)\(daemon.log)")
        other.stop()
        #expect(try eventually { try guests() == 1 }, "\(round): \(daemon.log)")
        #expect(try paths.map(Self.inode) == inodes, "\(round)")
      }
      kill(service.process.processIdentifier, SIGTERM)
      #expect(service.wait(seconds: 30).succeeded, "\(service.errors)")
      // Clients wait there for the next one.
      #expect(try paths.map(Self.inode) == inodes)
    }

    @Test func `a network whose uplink is another daemon's goes on when either is upgraded`() throws
    {
      try require(.program("python3"))
      let far = try TestDaemon()
      defer { far.stop() }
      let near = try TestDaemon(
        configuration: """
          networks:
            lan:
              mode: shared
              options: {socket: \(far.socket("qemu", of: "user-v2"))}

          """)
      defer { near.stop() }
      func state() throws -> String? {
        (try near.network("lan")["uplink"] as? [String: Any])?["state"] as? String
      }
      let link = try RunningCommand(
        "python3",
        [Installation.fixtures + "/upgraded.py", "link", near.socket("qemu", of: "lan")])
      defer { link.stop() }
      func count() -> Int { link.output.split(separator: "\n").count { $0.hasPrefix("count ") } }
      // The far daemon's gateway answers.
      #expect(eventually { count() > 0 }, "\(link.errors)\(near.log)\(far.log)")
      let hosts = [try near.hostProcess(of: "lan"), try far.hostProcess(of: "user-v2")]
      for (name, daemon) in [("near", near), ("far", far)] {
        let upgrade = try daemon.netd("upgrade")
        #expect(upgrade.succeeded, "\(name): \(upgrade)\(daemon.log)")
        let before = count()
        #expect(eventually { count() > before }, "\(name): \(link.errors)\(daemon.log)")
        #expect(try state() == "connected", "\(name)")
        #expect(
          [try near.hostProcess(of: "lan"), try far.hostProcess(of: "user-v2")] == hosts,
          "\(name)")
      }
    }

    /// In a mount namespace of its own, whose Lima home is a disk of 4 MiB.
    private static let fullDisk = """
      set -u
      netd=$1 LIMA_HOME=$2
      export LIMA_HOME
      heard=$LIMA_HOME-heard
      : >$heard
      mount -t tmpfs -o size=4m,mode=0700 none $LIMA_HOME || exit 1
      $netd serve & daemon=$!
      until $netd status >/dev/null 2>&1; do kill -0 $daemon || exit 1; sleep 0.1; done
      $netd exec default --name one -- \
        sh -c 'while :; do ping -c 1 -W 5 192.168.5.2 >/dev/null && echo pong; sleep 0.2; done' >>$heard & guest=$!
      pongs() { wc -l <$heard; }
      more() { had=$(pongs); for i in $(seq 100); do [ $(pongs) -gt $had ] && return; sleep 0.1; done; return 1; }
      more && echo came
      cat /dev/zero >$LIMA_HOME/full 2>/dev/null
      [ $(df --output=avail $LIMA_HOME | tail -1) = 0 ] && echo full
      $netd upgrade && echo upgraded
      more && echo stayed
      $netd exec default --name two -- ping -c 1 -W 5 192.168.5.2 >/dev/null && echo another
      rm $LIMA_HOME/full
      $netd upgrade >/dev/null && more && echo again
      $netd status >/dev/null && kill -0 $daemon && echo serves
      kill $guest; wait $guest; rm -f $heard
      kill $daemon; wait $daemon && echo ended
      """

    @Test func `an upgrade needs no room on the disk`() throws {
      try require(.tap, .root)
      let home = "/tmp/lnf\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: home) }
      let result = try run(
        "unshare",
        ["-m", "--propagation", "private", "sh", "-c", Self.fullDisk, "sh"]
          + [Installation.daemon, home], seconds: 90)
      for word in ["came", "full", "upgraded", "stayed", "another", "again", "serves", "ended"] {
        #expect(result.output.split(separator: "\n").contains(Substring(word)), "\(result)")
      }
    }
  }
}

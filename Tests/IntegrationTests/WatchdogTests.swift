// SPDX-License-Identifier: Apache-2.0
//
// A network's process that hangs: users are told, over what, and it is replaced with its guests kept.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct WatchdogTests {
    /// A guest of QEMU's socket: sends a frame, then says whether its link was closed, each second.
    private func guest(_ daemon: TestDaemon, of network: String) throws -> RunningCommand {
      try RunningCommand(
        "python3",
        [
          "-uc",
          """
          import socket, struct
          s = socket.socket(socket.AF_UNIX); s.connect("\(daemon.socket("qemu", of: network))")
          s.sendall(struct.pack(">I", 60) + b"\\xff" * 60); s.settimeout(1)
          while True:
            try:
              if not s.recv(65536): break
            except socket.timeout: pass
          print("closed")
          """,
        ])
    }

    @Test func `a plugin that does not return is named, and its process replaced`() throws {
      try require(.program("python3"))
      let plugins = try TestPlugins.build(["awkward"])
      let daemon = try TestDaemon(
        configuration:
          "networks:\n  odd:\n    mode: awkward\n    options: {at: stuck-rx}\n    watchdog: 6\n",
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop(); plugins.remove() }
      let guest = try guest(daemon, of: "odd")
      defer { guest.stop() }
      let place = "not responding (rx of network plugin awkward, "
      #expect(
        try eventually { try daemon.netd("network", "ls").output.contains(place) },
        "\(daemon.log)")
      let first = try daemon.hostProcess(of: "odd")
      // Or, on a machine that is busy, what became of it since.
      let inspected = try daemon.netd("network", "inspect", "odd").output
      #expect(
        inspected.contains(place) || inspected.contains("did not respond (rx of network plugin"),
        "\(inspected)")
      // Each says so, instead of waiting; or the process was replaced meanwhile, and says what it will.
      for words in [
        ["leases", "odd"], ["dns", "query", "--network", "odd", "example.test"],
        ["capture", "odd", "-w", daemon.home + "/x.pcap"],
      ] {
        let result = try daemon.netd(words, seconds: 8)
        #expect(!result.succeeded && result.errors.contains("odd"), "\(result)")
      }
      #expect(
        eventually { daemon.log.contains("ended by the watchdog") }, "\(daemon.log)")
      #expect(
        try eventually {
          let now = try daemon.hostProcess(of: "odd")
          return now != nil && now != first
        }, "\(daemon.log)")
      #expect(try daemon.network("odd")["restarts"] as? Int == 1)
      #expect(guest.process.isRunning, "the guest lost its link: \(guest.output)")
      #expect(try daemon.netd("network", "ls").output.contains("did not respond (rx of network"))
    }

    @Test func `a process that was stopped is replaced, and its guest goes on`() throws {
      try require(.tap)
      let daemon = try TestDaemon(
        configuration: "networks:\n  default: {mode: slirp, watchdog: 3}\n")
      defer { daemon.stop() }
      let guest = try daemon.begin(
        "exec", "default", "--", "sh", "-c",
        "while :; do ping -c 1 -W 1 192.168.5.2 >/dev/null && echo there; sleep 0.2; done")
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("there") }, "\(guest.errors)")
      let first = Int32(try #require(try daemon.hostProcess(of: "default")))
      kill(first, SIGSTOP)
      #expect(eventually { daemon.log.contains("does not respond: stopped by a signal") })
      #expect(eventually { daemon.log.contains("ended by the watchdog") }, "\(daemon.log)")
      let before = guest.output.count
      #expect(eventually { guest.output.count > before }, "\(daemon.log)")
      #expect(guest.process.isRunning)
    }

    @Test func `with the watchdog off a stopped process is told of and left alone`() throws {
      let daemon = try TestDaemon(
        configuration: "networks:\n  default: {mode: slirp, watchdog: off}\n")
      defer { daemon.stop() }
      #expect(try daemon.netd("network", "start", "default").succeeded)
      let process = Int32(try #require(try daemon.hostProcess(of: "default")))
      kill(process, SIGSTOP)
      defer { kill(process, SIGCONT) }
      let place = "not responding (stopped by a signal, "
      #expect(try eventually { try daemon.netd("status").output.contains(place) })
      let capture = try daemon.netd(
        "capture", "default", "-w", daemon.home + "/x.pcap", seconds: 10)
      #expect(
        !capture.succeeded && capture.errors.contains("does not respond: stopped by a signal"),
        "\(capture)")
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "0", "192.168.5.15:80", seconds: 10)
      #expect(!added.succeeded && added.errors.contains("does not respond"), "\(added)")
      kill(process, SIGCONT)
      #expect(
        try eventually { try !daemon.netd("status").output.contains(place) }, "\(daemon.log)")
      #expect(try daemon.hostProcess(of: "default") == Int(process))
      // What was given up is not there all the same.
      #expect(
        try eventually {
          try daemon.netd("network", "inspect", "default", "--json").output.contains(
            "\"forwards\":[]")
            || daemon.netd("forward", "ls").output.contains("No forwards")
        })
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The host's interface of a network: made, kept, lost and set up; and what is left of it.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct HostTapLifeTests {
    @Test func `whatever is killed, nothing stays behind on the host`() throws {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene(start: false)
      defer { scene.stop() }
      // New interfaces take a second or two to be what they stay.
      var before = ""
      #expect(
        try eventually {
          let earlier = before
          before = try scene.hostState()
          return earlier == before && !before.contains("tentative")
        })
      for round in 0..<4 {
        try scene.daemon.start()
        // A daemon that was killed left its sockets: the new one may not have taken them yet.
        #expect(try eventually { try scene.daemon.netd("status").succeeded })
        let guest = try scene.daemon.begin("exec", "shared", "--", "sleep", "60")
        #expect(
          try eventually { try scene.interfaces().contains("-shared") },
          "\(scene.daemon.log)")
        let host = try eventuallyProcess(scene.daemon)
        switch round {
        case 0: kill(Int32(host), SIGKILL)
        case 1: kill(scene.daemonProcess, SIGKILL)
        case 2:
          kill(scene.daemonProcess, SIGKILL)
          kill(Int32(host), SIGKILL)
        default: #expect(try scene.daemon.netd("network", "stop", "shared").succeeded)
        }
        if round == 0 {
          // The supervisor holds the interface: the next process goes on with it.
          #expect(
            try eventually {
              let next = try scene.daemon.hostProcess(of: "shared")
              return next != nil && next != host
            })
          #expect(try scene.interfaces().contains("-shared"))
        }
        guest.stop()
        if round == 0 || round == 3 { scene.daemon.command?.stop() }
        #expect(
          try eventually { try !scene.interfaces().contains("-shared") },
          "round \(round)")
        #expect(try scene.hostState() == before, "round \(round)")
      }
    }

    private func eventuallyProcess(_ daemon: TestDaemon) throws -> Int {
      var found: Int?
      _ = try eventually {
        found = try daemon.hostProcess(of: "shared")
        return found != nil
      }
      return try #require(found, "\(daemon.log)")
    }

    @Test func `a connection between host and guest outlives the network's process`() throws {
      try require(.tap, .program("python3"))
      let scene = try HostTapScene()
      defer { scene.stop() }
      let guest = try scene.daemon.begin(
        "exec", "shared", "--name", "echo", "--", "python3", "-c", echoServers)
      defer { guest.stop() }
      #expect(eventually { guest.output.contains("up") }, "\(scene.daemon.log)")
      let client = try scene.begin(
        scene.host.wrapper,
        [
          "python3", "-c",
          """
          import socket, sys, time
          s = socket.create_connection(("192.168.105.2", 7000), timeout=60)
          for i in range(2000):
            s.sendall(b"x"); assert s.recv(1) == b"x"
            if i == 10: print("talking", flush=True)
            time.sleep(0.005)
          print("done", flush=True)
          """,
        ])
      #expect(eventually { client.output.contains("talking") }, "\(client.errors)")
      kill(Int32(try eventuallyProcess(scene.daemon)), SIGKILL)
      #expect(
        eventually(within: 60) { client.output.contains("done") },
        "\(client.errors)\n\(scene.daemon.log)")
    }

    @Test func `an interface that somebody takes away is made anew`() throws {
      try require(.tap)
      let scene = try HostTapScene()
      defer { scene.stop() }
      let guest = try scene.daemon.begin("exec", "shared", "--", "sleep", "60")
      defer { guest.stop() }
      let interface = "ln\(scene.user)-shared"
      #expect(try eventually { try scene.interfaces().contains(interface) })
      let first = try eventuallyProcess(scene.daemon)
      #expect(try scene.host.shell("ip link del \(interface)").succeeded)
      #expect(
        try eventually {
          let next = try scene.daemon.hostProcess(of: "shared")
          return try next != nil && next != first && scene.interfaces().contains(interface)
        }, "\(scene.daemon.log)")
      #expect(
        try eventually {
          try scene.host.shell("ping -c 1 -W 1 192.168.105.2").succeeded
        })
    }

    @Test func `a subnet that another interface has is refused by its name`() throws {
      try require(.tap)
      let scene = try HostTapScene()
      defer { scene.stop() }
      #expect(try scene.host.shell("ip addr add 192.168.105.77/25 dev own").succeeded)
      let refused = try scene.daemon.netd("network", "start", "shared")
      #expect(!refused.succeeded && refused.errors.contains("interface own"), "\(refused)")
      #expect(refused.errors.contains("192.168.105.77/25"), "\(refused)")
      let missing = try scene.daemon.netd("network", "start", "lan")
      #expect(
        !missing.succeeded && missing.errors.contains("there is no interface br0"), "\(missing)")
      #expect(try scene.daemon.netd("network", "start", "host").succeeded)
    }

    @Test func `a TAP of somebody else's, and one of nobody's, is not used`() throws {
      try require(.tap)
      let scene = try HostTapScene()
      defer { scene.stop() }
      let interface = "ln\(scene.user)-shared"
      #expect(try scene.host.shell("ip tuntap add dev \(interface) mode tap").succeeded)
      let ownerless = try scene.daemon.netd("network", "start", "shared")
      #expect(!ownerless.succeeded && ownerless.errors.contains("has no owner"), "\(ownerless)")
      #expect(
        try scene.host.shell("ip link del \(interface); ip link add \(interface) type bridge")
          .succeeded)
      // A network that has failed is not tried for guests again within a second.
      var other: CommandResult?
      #expect(
        try eventually {
          let result = try scene.daemon.netd("network", "start", "shared")
          other = result
          return !result.succeeded && result.errors.contains("is no TAP")
        }, "\(String(describing: other))")
    }

    @Test func `set up once by root, a user without privileges has it all`() throws {
      try require(.tap, .nobody, .tapForAll, .program("curl"), .program("python3"))
      let nobody = [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
      ]
      let scene = try HostTapScene(user: nobody)
      defer { scene.stop() }
      let refused = try scene.daemon.netd("network", "start", "shared")
      #expect(!refused.succeeded, "\(refused)")
      let command = "network setup shared --lima-home \(scene.daemon.home)"
      #expect(refused.errors.contains("sudo \(Installation.daemon) \(command)"), "\(refused)")

      let words =
        scene.host.wrapper + [Installation.daemon] + command.split(separator: " ").map(String.init)
      let setup = try run(
        words[0], Array(words.dropFirst()), environment: ["SUDO_UID": "65534"])
      #expect(setup.succeeded && setup.output.contains("ln65534-shared"), "\(setup)")
      let address = try scene.server("web", on: "shared")
      let page = try scene.host.shell("curl -sS -m 10 http://\(address):8000/")
      #expect(page.output.contains("guest web"), "\(page)\n\(scene.daemon.log)")

      // Another daemon of the user's has to wait.
      let second = try TestDaemon(
        configuration: HostTapScene.configuration, wrapper: scene.host.wrapper + nobody)
      defer { second.stop() }
      let busy = try second.netd("network", "start", "shared")
      #expect(!busy.succeeded && busy.errors.contains("is in use"), "\(busy)")

      let undo = scene.host.wrapper + [Installation.daemon, "network", "unsetup", "shared"]
      let held = try run(undo[0], Array(undo.dropFirst()), environment: ["SUDO_UID": "65534"])
      #expect(!held.succeeded && held.errors.contains("in use"), "\(held)")
      #expect(try scene.daemon.netd("network", "stop", "shared").succeeded)
      #expect(
        try eventually {
          try run(undo[0], Array(undo.dropFirst()), environment: ["SUDO_UID": "65534"]).succeeded
        })
      #expect(try !scene.interfaces().contains("ln65534"))
    }

    @Test func `sudo is asked with fixed words, and its refusal is the user's advice`() throws {
      try require(.tap, .nobody)
      let folder = "/tmp/lnds\(UInt32.random(in: .min ... .max))"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      // A sudo that notes its words and wants a password, as sudo -n says it.
      try """
      #!/bin/sh
      printf '%s\\n' "$*" >>\(folder)/words
      echo "sudo: a password is required" >&2
      exit 1
      """.write(toFile: folder + "/sudo", atomically: true, encoding: .utf8)
      try run("chmod", ["-R", "a+rwx", folder])
      let scene = try HostTapScene(
        user: [
          "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env",
          "PATH=\(folder):/usr/sbin:/usr/bin:/sbin:/bin",
        ])
      defer { scene.stop() }
      let refused = try scene.daemon.netd("network", "start", "shared")
      #expect(!refused.succeeded && refused.errors.contains("a password is required"), "\(refused)")
      #expect(refused.errors.contains("network setup shared"), "\(refused)")
      // As above. Guests that come every second do not fill the system's log.
      usleep(1_100_000)
      #expect(try !scene.daemon.netd("network", "start", "shared").succeeded)
      let words = try String(contentsOfFile: folder + "/words", encoding: .utf8)
      // What an earlier version had allowed is tried, too.
      let old = "-n -- \(Installation.tapHelper) open shared --address 192.168.105.1/24"
      let lines = words.split(separator: "\n").map(String.init)
      #expect(lines.count == 2 && lines.last == old, "\(words)")
      let first = lines.first ?? ""
      #expect(first.hasPrefix(old + " --address6 fd") && first.hasSuffix("--1/64"), "\(words)")
    }
  }
}

extension HostTapScene {
  /// The daemon's own process, behind what brings it into the namespace.
  var daemonProcess: Int32 {
    let text = try? String(
      contentsOfFile: daemon.home + "/_networks/lima-netd.pid", encoding: .utf8)
    return Int32(text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "") ?? .max
  }

  /// Whose the daemon thinks it is: root of the namespace.
  var user: Int { 0 }
}

// SPDX-License-Identifier: Apache-2.0
//
// The texts for sudoers, judged by visudo, and read back by sudo itself: over a sudoers file that only a mount namespace
// of the test's own sees.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct SudoersCommandTests {
    private static let file = """
      paths:
        socketVMNet: /bin/sh
        varRun: /run/lima
        sudoers: /etc/sudoers.d/lima
      group: sudo
      networks:
        shared: {mode: shared, gateway: 192.168.105.1, dhcpEnd: 192.168.105.254, netmask: 255.255.255.0}
        host: {mode: host, options: {mtu: 9000}}
        lan: {mode: bridged, interface: br0}
        quiet: {mode: slirp}

      """

    private func text(_ daemon: TestDaemon, _ words: String...) throws -> String {
      let result = try run(
        Installation.daemon, ["sudoers"] + words, environment: daemon.environment)
      try #require(result.succeeded, "\(result)")
      return result.output
    }

    @Test func `visudo accepts the texts for Linux, for a group and for a user`() throws {
      try require(.root, .program("visudo"))
      try makeHelper()
      let daemon = try TestDaemon(configuration: Self.file, start: false)
      defer { daemon.stop() }
      for words in [[], ["--user", "nobody"], ["--user", "65534"]] {
        let result = try run(
          Installation.daemon, ["sudoers"] + words, environment: daemon.environment)
        #expect(result.succeeded, "\(result)")
        #expect(
          result.output.contains(
            "\(words.isEmpty ? "%sudo" : "nobody") ALL=(root) NOPASSWD:NOSETENV: \(Installation.tapHelper) open shared --address 192.168.105.1/24 --address6 fd"
          ), "\(result)")
        #expect(!result.output.contains("quiet") && !result.output.contains("*"))
        try result.output.write(
          toFile: daemon.home + "/sudoers", atomically: true, encoding: .utf8)
        try run("chmod", ["440", daemon.home + "/sudoers"])
        let judged = try run("visudo", ["-cf", daemon.home + "/sudoers"])
        #expect(judged.succeeded, "\(judged)")
      }
    }

    @Test func `root reads another user's networks.yaml as that user, and by no link`() throws {
      try require(.root)
      try makeHelper()
      let daemon = try TestDaemon(configuration: Self.file, start: false)
      defer { daemon.stop() }
      let file = daemon.home + "/_config/networks.yaml"
      try run("chown", ["-R", "65534:65534", daemon.home])
      #expect(try text(daemon, "--user", "nobody").contains("open shared"))
      // What its owner may not read says nothing to whoever asks root.
      try run("sh", ["-c", "echo 'secret: x' >\(file) && chown 0:0 \(file) && chmod 600 \(file)"])
      let unread = try run(Installation.daemon, ["sudoers"], environment: daemon.environment)
      #expect(!unread.succeeded && !unread.errors.contains("secret"), "\(unread)")
      try run("sh", ["-c", "rm \(file) && ln -s /etc/shadow \(file) && chown -h 65534 \(file)"])
      for words in [["sudoers"], ["network", "create", "x", "--gateway", "192.168.141.1"]] {
        let refused = try run(Installation.daemon, words, environment: daemon.environment)
        #expect(
          !refused.succeeded && refused.errors.contains("`\(file)` is a symlink"), "\(refused)")
      }
      let doctor = try run(
        Installation.daemon, ["doctor", "slirp"], environment: daemon.environment)
      #expect(
        doctor.output.contains("is a symlink") && !doctor.output.contains("root:"), "\(doctor)")
    }

    @Test func `visudo accepts the text for macOS, too`() throws {
      try require(.root, .program("visudo"))
      let daemon = try TestDaemon(configuration: Self.file, start: false)
      defer { daemon.stop() }
      // What is installed there has no link in its path.
      let program = try run("readlink", ["-f", "/bin/sleep"]).output.trimmingCharacters(
        in: .whitespacesAndNewlines)
      try daemon.write(
        configuration: Self.file.replacing("/bin/sh", with: program))
      let macOS = try text(daemon, "--platform", "macos")
      #expect(
        macOS.hasPrefix(
          "%sudo ALL=(root:wheel) NOPASSWD:NOSETENV: /bin/mkdir -m 775 -p /run/lima\n\n# Manage \"host\" network daemons\n\n%sudo ALL=(root:wheel) NOPASSWD:NOSETENV: \\\n    \(program) --pidfile=/run/lima/host_socket_vmnet.pid --socket-group=sudo --vmnet-mode=host --vmnet-gateway=192.168.106.1 "
        ), "\(macOS)")
      try macOS.write(toFile: daemon.home + "/sudoers", atomically: true, encoding: .utf8)
      try run("chmod", ["440", daemon.home + "/sudoers"])
      let judged = try run("visudo", ["-cf", daemon.home + "/sudoers"])
      #expect(judged.succeeded, "\(judged)")
    }

    @Test
    func
      `sudo allows these words without a password and no others, and the daemon gets its interface`()
      throws
    {
      try require(.tap, .nobody, .tapForAll, .program("visudo"))
      let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
      let scene = try HostTapScene(
        configuration: "networks: {shared: {mode: shared}, host: {mode: host}}\n", start: false)
      defer { scene.stop() }
      let home = scene.daemon.home
      let text = try text(scene.daemon, "--user", "nobody")
      let allowed = text.split(separator: "\n").filter {
        $0.contains(" --address 192.168.105.1/24 ")
      }
      try "\(allowed.joined())\n".write(toFile: home + "/allow", atomically: true, encoding: .utf8)
      // A host whose sudoers is this one, for these processes alone.
      let script = """
        mount --bind \(home)/allow /etc/sudoers && chmod 440 \(home)/allow && chown 0:0 \(home)/allow
        # To a pipe, where sudo does not fold lines.
        sudo -l -U nobody | cat
        \(nobody.joined(separator: " ")) env HOME=\(home) LIMA_HOME=\(home) \(Installation.daemon) doctor --json shared host
        echo "status $?"
        \(nobody.joined(separator: " ")) env HOME=\(home) LIMA_HOME=\(home) \(Installation.daemon) exec shared -- ip -4 -o addr show dev eth0 2>&1
        """
      let words = scene.host.wrapper + ["unshare", "-m", "sh", "-c", script]
      let result = try run(words[0], Array(words.dropFirst()), seconds: 60)
      #expect(
        result.output.split(separator: "\n").contains {
          $0.hasPrefix("    (root) ") && $0.contains("NOPASSWD: ")
            && $0.contains(
              " \(Installation.tapHelper) open shared --address 192.168.105.1/24 --address6 fd")
        }, "\(result)")
      // A user who may run one of two is told so of each.
      #expect(
        result.output.contains("network shared: sudo runs its helper without a password"),
        "\(result)")
      #expect(
        result.output.contains("network host: sudo does not run its helper without a password"),
        "\(result)")
      #expect(result.output.contains("status 1"), "\(result)")
      // The words that were printed are those that the daemon has sudo run.
      #expect(result.output.contains("inet 192.168.105.2/24"), "\(result)")
    }

    @Test
    func `a file is checked byte for byte, and one that is out of sync is told with the command`()
      throws
    {
      try require(.root)
      try makeHelper()
      let daemon = try TestDaemon(configuration: Self.file, start: false)
      defer { daemon.stop() }
      let path = daemon.home + "/sudoers"
      func check(_ platform: String, _ text: String) throws -> CommandResult {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return try run(
          Installation.daemon, ["sudoers", "--check", path, "--platform", platform],
          environment: daemon.environment)
      }
      let linux = try text(daemon)
      let same = try check("linux", linux)
      #expect(same.succeeded && same.output.contains("`\(path)` is up-to-date"), "\(same)")
      #expect(try check("linux", "# others\nroot ALL=ALL\n" + linux).succeeded)
      let other = try check("linux", linux.replacing("192.168.105.1", with: "192.168.7.1"))
      #expect(!other.succeeded && other.errors.contains("out of sync and must be regenerated"))
      let hint = "Hint: run `lima-netd sudoers --lima-home \(daemon.home) | sudo tee \(path)`"
      #expect(other.errors.contains(hint), "\(other)")
      let file = try run(Installation.daemon, ["sudoers", path], environment: daemon.environment)
      #expect(file.errors.contains("can be specified only for --check mode"), "\(file)")
      try daemon.write(configuration: "networks: {shared: {mode: shared}}\n")
      // Lima's file is Lima's: ours is another, whatever `paths.sudoers` says.
      let usual = try run(
        Installation.daemon, ["sudoers", "--check"], environment: daemon.environment)
      #expect((usual.output + usual.errors).contains("`/etc/sudoers.d/lima-netd`"), "\(usual)")
    }

    @Test func `a program that others could change is not put into sudoers`() throws {
      try require(.root)
      try makeHelper()
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      let program = daemon.home + "/socket_vmnet"
      try "#!/bin/sh\n".write(toFile: program, atomically: true, encoding: .utf8)
      try daemon.write(
        configuration: "paths: {socketVMNet: \(program), varRun: /run/lima}\ngroup: sudo\n")
      let refused = try run(
        Installation.daemon, ["sudoers", "--platform", "macos"], environment: daemon.environment)
      #expect(
        refused.errors.contains(
          "networks.yaml field `paths.socketVMNet` error: dir `/tmp` is world-writable"),
        "\(refused)"
      )
      // The helper, likewise.
      let copy = daemon.home + "/bin"
      try run("mkdir", [copy])
      for name in ["lima-netd", "lima-netd-host", "lima-netd-tap"] {
        try run("cp", [Installation.products + "/" + name, copy])
      }
      try run("chown", ["65534", copy])
      try daemon.write(configuration: "networks: {shared: {mode: shared}}\n")
      for words in [["sudoers"], ["network", "setup", "shared"], ["doctor", "shared"]] {
        let result = try run(copy + "/lima-netd", words, environment: daemon.environment)
        #expect(!result.succeeded, "\(result)")
        #expect(
          (result.errors + result.output).contains(
            "dir `\(copy)` is not owned by `root` (uid: 0), but by uid 65534"), "\(result)")
        #expect((result.errors + result.output).contains("make install"), "\(result)")
      }
    }
  }
}

/// Root's own helper, where the products came without it.
func makeHelper() throws {
  guard !FileManager.default.fileExists(atPath: Installation.tapHelper) else { return }
  let built = try run(
    Installation.root + "/Scripts/build-tap", [Installation.tapHelper], seconds: 60)
  guard built.succeeded else { throw TestFailure("\(built)") }
}

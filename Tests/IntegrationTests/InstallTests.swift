// SPDX-License-Identifier: Apache-2.0
//
// What Scripts/install puts in a prefix works by itself, and plugins are built against it.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct InstallTests {
    @Test func `what root made for users stays when it is uninstalled, and is said`() throws {
      let folder = "/tmp/lndi\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      // Interfaces as the kernel shows them: one that lasts, one that does not, and a card.
      let removed = try run(
        "sh",
        [
          "-ec",
          """
          mkdir -p \(folder)/class/ln7-shared \(folder)/class/ln7-host \(folder)/class/lnic0 \(folder)/from/bin \(folder)/from/lib/lima-netd
          echo 0x5802 >\(folder)/class/ln7-shared/tun_flags; echo 0x5002 >\(folder)/class/ln7-host/tun_flags
          echo x >\(folder)/from/bin/x; echo y >\(folder)/from/lib/lima-netd/y
          \(Installation.root)/Packaging/install-tree put \(folder)/from \(folder)/to
          NETWORK_CLASS=\(folder)/class \(Installation.root)/Packaging/install-tree remove \(folder)/to
          [ ! -e \(folder)/to/bin/x ]
          """,
        ])
      #expect(removed.succeeded, "\(removed)")
      #expect(removed.output.contains("sudo ip link del ln7-shared"), "\(removed)")
      #expect(!removed.output.contains("ln7-host") && !removed.output.contains("lnic0"))
    }

    @Test func whatIsInstalledWorksAloneAndPluginsAreBuiltAgainstIt() throws {
      try require(.tap, .program("pkg-config"), .program("make"), .program("cmake"))
      let prefix = "/tmp/lndi\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: prefix) }
      let installed = try run(
        Installation.root + "/Scripts/install", [prefix],
        environment: ["LIMA_NETD_PRODUCTS": Installation.products], seconds: 60)
      try #require(installed.succeeded, "\(installed)")
      for file in [
        "bin/lima-netd", "libexec/lima-netd/lima-netd-host",
        "lib/lima-netd/plugins/liblima-net-slirp.so", "include/lima-netd/lnd_plugin.h",
        "share/bash-completion/completions/lima-netd", "share/zsh/site-functions/_lima-netd",
        "share/fish/vendor_completions.d/lima-netd.fish",
        "include/lima-netd/lnd_options.h", "include/lima-netd/draft/lnd_draft_handover.h",
        "share/lima-netd/sdk/docs/callbacks/rx.md", "share/lima-netd/sdk/examples/6-vxlan/plugin.c",
        "share/lima-netd/sdk/Package.swift",
        "share/lima-netd/sdk/rust/Cargo.toml", "share/lima-netd/sdk/PluginAPI/include/lnd_plugin.h",
        "lib/cmake/lima-netd-plugin/lima-netd-plugin-config.cmake",
        "lib/lima-netd/swift/libswift_Concurrency.so",
      ] {
        let size = (try? FileManager.default.attributesOfItem(atPath: "\(prefix)/\(file)")[.size])
        #expect((size as? Int ?? 0) > 100, "\(file)")
      }
      let bash = try run("bash", ["-n", prefix + "/share/bash-completion/completions/lima-netd"])
      #expect(bash.succeeded, "\(bash)")

      // Where there is no toolchain (root can hide it), Swift's libraries come from the prefix.
      let libraries = try run("ldd", [prefix + "/libexec/lima-netd/lima-netd-host"]).output
      #expect(!libraries.contains("not found"), "\(libraries)")
      let toolchain =
        libraries.firstMatch(of: /libswiftCore\.so => (.*)\/libswiftCore\.so/)?.1 ?? ""
      let hide =
        getuid() == 0 && !toolchain.hasPrefix(prefix)
        ? ["unshare", "-m", "sh", "-c", "mount -t tmpfs none \(toolchain) && exec \"$@\"", "sh"]
        : ["env"]
      let home = prefix + "/h"
      let words =
        hide + [
          prefix + "/bin/lima-netd", "exec", "default", "--", "ping", "-c", "1", "192.168.5.2",
        ]
      let guest = try run(words[0], Array(words.dropFirst()), environment: ["LIMA_HOME": home])
      #expect(guest.succeeded, "\(guest)")

      let example = prefix + "/1-hello"
      try FileManager.default.copyItem(
        atPath: Installation.root + "/SDK/examples/1-hello", toPath: example)
      let environment = [
        "LIMA_HOME": home, "PKG_CONFIG_PATH": prefix + "/lib/pkgconfig",
      ]
      let built = try run("make", ["-C", example], environment: environment)
      #expect(built.succeeded, "\(built)")
      let info = try run(
        prefix + "/bin/lima-netd", ["plugin", "info", example + "/lima-net-hello.so"],
        environment: environment)
      #expect(info.succeeded && info.output.contains("modes"), "\(info)")
      try cmakeBuildsAPlugin(of: example, prefix, environment)
      try aNewPluginIsBuiltInstalledAndFound(prefix, environment)
      for language in ["c", "rust", "swift"] {
        guard language != "rust" || Requirement.program("cargo").missing == nil else { continue }
        try aNewAuthorGetsThere(language, prefix, environment)
      }
    }

    /// By the package that is installed.
    private func cmakeBuildsAPlugin(
      of example: String, _ prefix: String, _ environment: [String: String]
    ) throws {
      let project = """
        cmake_minimum_required(VERSION 3.16)
        project(hello C)
        find_package(lima-netd-plugin REQUIRED)
        lima_netd_add_plugin(net-hello SOURCES hello.c)
        """
      try project.write(
        toFile: example + "/CMakeLists.txt", atomically: true, encoding: .utf8)
      let script = """
        set -e
        cmake -S \(example) -B \(example)/cmake -DCMAKE_PREFIX_PATH=\(prefix)
        cmake --build \(example)/cmake
        \(prefix)/bin/lima-netd plugin check \(example)/cmake/lima-net-hello.so
        """
      let built = try run("sh", ["-c", script], environment: environment, seconds: 120)
      #expect(built.succeeded && built.output.contains(" 0 failed, 0 skipped"), "\(built)")
    }

    /// The first commands of the guide (SDK/docs/first.md) in an empty folder, with what is installed and nothing else.
    private func aNewAuthorGetsThere(
      _ language: String, _ prefix: String, _ environment: [String: String]
    ) throws {
      let guide = try String(
        contentsOfFile: prefix + "/share/lima-netd/sdk/docs/first.md", encoding: .utf8)
      let block = try #require(guide.components(separatedBy: "```sh first\n").dropFirst().first)
      let commands = block.components(separatedBy: "```")[0]
        .replacingOccurrences(of: "--lang c", with: "--lang \(language)")
      #expect(commands.split(separator: "\n").count < 10, "\(commands)")
      let folder = "\(prefix)/author-\(language)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      var variables = environment
      variables["PATH"] =
        "\(prefix)/bin:" + (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin")
      let result = try run(
        "sh", ["-exc", "cd \(folder)\n\(commands)"], environment: variables, seconds: 290)
      #expect(result.succeeded && result.output.contains("3 received"), "\(language): \(result)")
      #expect(result.output.contains(" 0 failed, 0 skipped"), "\(language): \(result)")
    }

    /// With nothing but what is installed: begun, built, put into plugindir, used by a guest.
    private func aNewPluginIsBuiltInstalledAndFound(
      _ prefix: String, _ environment: [String: String]
    ) throws {
      let folder = prefix + "/mine"
      let command = prefix + "/bin/lima-netd"
      let script = """
        set -e
        \(command) plugin new mine --dir \(folder)
        make -C \(folder) SDK="$(pkg-config --cflags lima-netd-plugin)"
        cp \(folder)/lima-net-mine.so "$(pkg-config --variable=plugindir lima-netd-plugin)"
        mkdir -p $LIMA_HOME/_config
        printf 'networks:\n  n:\n    mode: mine\n' >$LIMA_HOME/_config/networks.yaml
        \(command) plugin ls
        \(command) exec n -- ping -c 1 10.99.0.2
        """
      let result = try run("sh", ["-c", script], environment: environment, seconds: 60)
      #expect(result.succeeded && result.output.contains("1 received"), "\(result)")
    }
  }
}

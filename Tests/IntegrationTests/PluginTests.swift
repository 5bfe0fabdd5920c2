// SPDX-License-Identifier: Apache-2.0
//
// Plugins from --plugin-dir: one in plain C that carries frames, and files that
// must be refused with the reason.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PluginTests {
    @Test func aPluginInPlainCCarriesFrames() throws {
      try require(.tap)
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let daemon = try TestDaemon(
        configuration: "networks:\n  hi:\n    mode: hello\n",
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop() }
      let result = try daemon.guest("ping -c 3 -i 0.2 -W 2 10.123.0.2", on: "hi")
      #expect(result.output.contains("3 received"), "\(result)\n\(daemon.log(of: "hi"))")
    }

    @Test func pluginInfoShowsWhatAFileHolds() throws {
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let file = plugins.folder + "/lima-net-hello.so"
      let result = try run(Installation.daemon, ["plugin", "info", file])
      #expect(result.succeeded, "\(result)")
      #expect(result.output.contains("hello") && result.output.contains("1.0.0"), "\(result)")
      let json = try run(Installation.daemon, ["plugin", "info", file, "--json"])
      let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8))
      #expect(object is [String: Any], "\(json)")
    }

    @Test func aModeNobodyClaimsListsThoseThereAre() throws {
      try require(.tap)
      let daemon = try TestDaemon(configuration: "networks:\n  odd:\n    mode: carrier-pigeon\n")
      defer { daemon.stop() }
      let result = try daemon.guest("true", on: "odd", seconds: 20)
      #expect(!result.succeeded, "\(result)")
      #expect(
        result.errors.contains("carrier-pigeon") && result.errors.contains("slirp"), "\(result)")
    }

    @Test func twoFilesThatClaimOneModeAreBothNamed() throws {
      try require(.tap)
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let first = plugins.folder + "/lima-net-hello.so"
      let second = plugins.folder + "/liblima-net-hello.so"
      try FileManager.default.copyItem(atPath: first, toPath: second)
      let daemon = try TestDaemon(
        configuration: "networks:\n  hi:\n    mode: hello\n",
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop() }
      let result = try daemon.guest("true", on: "hi", seconds: 20)
      #expect(!result.succeeded, "\(result)")
      #expect(result.errors.contains(first) && result.errors.contains(second), "\(result)")
    }

    @Test func aTruncatedFileIsRefusedWithTheReason() throws {
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let file = plugins.folder + "/lima-net-hello.so"
      let bytes = try Data(contentsOf: URL(filePath: file))
      for size in [0, 40, 3000, bytes.count / 2] {
        try bytes.prefix(size).write(to: URL(filePath: file))
        let result = try run(Installation.daemon, ["plugin", "info", file])
        #expect(!result.succeeded, "\(size) bytes: \(result)")
        #expect(
          result.output.contains("truncated") || result.output.contains("no ELF"),
          "\(size) bytes: \(result)")
      }
    }

    @Test func rootDoesNotLoadWhatEverybodyMayWrite() throws {
      try require(.tap, .root)
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      try run("chmod", ["666", plugins.folder + "/lima-net-hello.so"])
      let daemon = try TestDaemon(
        configuration: "networks:\n  hi:\n    mode: hello\n",
        arguments: ["--plugin-dir", plugins.folder])
      defer { daemon.stop() }
      let result = try daemon.guest("true", on: "hi", seconds: 20)
      #expect(!result.succeeded, "\(result)")
      #expect(
        (result.errors + daemon.log).contains(
          "lima-net-hello.so` is world-writable; sudo chmod o-w "),
        "\(result)\n\(daemon.log)")
    }
  }
}

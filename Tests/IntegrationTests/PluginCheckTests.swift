// SPDX-License-Identifier: Apache-2.0
//
// plugin check: a plugin that breaks one rule fails the test of that rule and no other; those that keep the rules pass.

import Foundation
import HostProtocol
import Testing

extension EndToEnd {
  @Suite struct PluginCheckTests {
    private struct Summary: Decodable {
      struct Result: Decodable {
        var id: String
        var verdict: String
        var detail: String?
        var remedy: String?
      }
      var failed: Int
      var skipped: Int
      var results: [Result]

      var failures: [String] { results.filter { $0.verdict == "fail" }.map(\.id) }
    }

    /// Fixtures/plugins/faulty.c with one fault, in a folder of its own.
    private func faulty(_ fault: String, in folder: String) throws -> String {
      let here = "\(folder)/\(fault)"
      try FileManager.default.createDirectory(atPath: here, withIntermediateDirectories: true)
      let kind = fault.hasPrefix("dns-") ? "dns" : "net"
      let file = "\(here)/lima-\(fault == "file-name" ? "net-other" : "\(kind)-faulty").so"
      let flags = [
        "file-exports": ["-DEXPORTS_MORE"], "file-loads": ["-DNEEDS_MORE"],
        "file-stack": ["-Wl,-z,execstack"],
      ]
      let result = try run(
        "cc",
        ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
          + ["-fvisibility=hidden", "-DFAULT=\"\(fault)\""] + (flags[fault] ?? [])
          + ["-I", Installation.root + "/Sources/PluginAPI/include", "-o", file]
          + [Installation.fixtures + "/plugins/faulty.c"], seconds: 60)
      guard result.succeeded else { throw TestFailure("\(result)") }
      if fault == "file-elf" { try run("truncate", ["-s", "5000", file]) }
      if fault == "file-permissions" { try run("chmod", ["666", file]) }
      return file
    }

    @Test func eachFaultFailsTheTestOfItsNameAndNoOther() throws {
      let folder = "/tmp/lndf\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      var waiting = PluginCheck.all.map(\.id) + ["none"]
      var running: [(fault: String, command: RunningCommand)] = []
      // Most of a run is waiting.
      while !waiting.isEmpty || !running.isEmpty {
        while running.count < 6, let fault = waiting.popLast() {
          let file = try faulty(fault, in: folder)
          let command = try RunningCommand(
            Installation.daemon, ["plugin", "check", file, "--json"])
          command.closeInput()
          running.append((fault, command))
        }
        let (fault, command) = running.removeFirst()
        let result = command.wait(seconds: 120)
        let summary = try? JSONDecoder().decode(Summary.self, from: Data(result.output.utf8))
        #expect(summary?.failures == (fault == "none" ? [] : [fault]), "\(fault): \(result)")
        #expect(result.status == (fault == "none" ? 0 : 1), "\(fault): \(result)")
        let failure = summary?.results.first { $0.verdict == "fail" }
        #expect(fault == "none" || failure?.detail?.isEmpty == false, "\(fault)")
        #expect(fault == "none" || failure?.remedy?.isEmpty == false, "\(fault)")
      }
    }

    @Test func ourOwnPluginsAndTheExamplesPass() throws {
      try require(.program("make"))
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let zone = plugins.folder + "/lima-dns-zone.so"
      let built = try run(
        "make",
        [
          "-C", Installation.root + "/SDK/examples/2-dns-zone", "OUT=\(zone)",
          "HEADERS=\(Installation.root)/Sources/PluginAPI/include",
        ])
      try #require(built.succeeded, "\(built)")
      let options = "{\"file\":\"\(Installation.fixtures)/lab.zone\"}"
      let own = try FileManager.default.contentsOfDirectory(atPath: Installation.products)
        .filter { $0.hasPrefix("liblima-") && $0.hasSuffix(".so") }
      #expect(own.count >= 4)
      let socketvmnet = Installation.products + "/liblima-net-socketvmnet.so"
      let words =
        own.filter { !$0.contains("socketvmnet") }.map { ["\(Installation.products)/\($0)"] }
        + [
          [socketvmnet, "--plugin", "socketvmnet"],
          [socketvmnet, "--plugin", "socketvmnet-bridged", "--options", "{\"interface\":\"br0\"}"],
        ]
        + [[plugins.folder + "/lima-net-hello.so"], [zone, "--options", options]]
      let commands = try words.map { words in
        let command = try RunningCommand(Installation.daemon, ["plugin", "check"] + words)
        command.closeInput()
        return command
      }
      for command in commands {
        let result = command.wait(seconds: 120)
        #expect(result.succeeded && result.output.contains(" 0 failed"), "\(result)")
      }
    }

    @Test func whatAPluginNeedsToBeTestedIsSaid() throws {
      let folder = "/tmp/lndf\(UInt32.random(in: .min ... .max))"
      defer { try? FileManager.default.removeItem(atPath: folder) }
      let file = try faulty("data-short", in: folder)
      let only = try run(
        Installation.daemon, ["plugin", "check", file, "--only", "data-short,module", "--tap"])
      #expect(only.status == 1 && only.output.hasPrefix("TAP version 14\n"), "\(only)")
      #expect(only.output.contains("not ok") && only.output.contains("happened:"), "\(only)")
      let skipped = try run(
        Installation.daemon,
        ["plugin", "check", file, "--only", "data", "--skip", "data-short,data-garbage"])
      #expect(skipped.succeeded, "\(skipped)")
      let unknown = try run(Installation.daemon, ["plugin", "check", file, "--only", "data-shrt"])
      #expect(!unknown.succeeded && unknown.errors.contains("data-short"), "\(unknown)")
      let list = try run(Installation.daemon, ["plugin", "check", "--list"])
      for test in PluginCheck.all { #expect(list.output.contains(test.id), "\(test.id)") }
    }
  }
}

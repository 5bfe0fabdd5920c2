// SPDX-License-Identifier: Apache-2.0
//
// plugin run and plugin fuzz: a plugin fed from a file, and with garbage.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct PluginRunTests {
    private let guest: [UInt8] = [0x52, 0x55, 0x55, 1, 2, 3]

    /// A pcap file (microseconds, little-endian) of ARP requests for 10.123.0.2, and of one frame that is too short.
    private var capture: [UInt8] {
      var arp = [UInt8](repeating: 255, count: 6) + guest + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + guest
      arp += [10, 123, 0, 15, 0, 0, 0, 0, 0, 0, 10, 123, 0, 2]
      func record(_ bytes: [UInt8]) -> [UInt8] {
        [1, 0, 0, 0, 2, 0, 0, 0] + [UInt8(bytes.count), 0, 0, 0, UInt8(bytes.count), 0, 0, 0]
          + bytes
      }
      let header: [UInt8] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0] + [UInt8](repeating: 0, count: 8)
      return header + [0, 0, 4, 0, 1, 0, 0, 0] + record(arp) + record([1, 2, 3]) + record(arp)
    }

    @Test func framesOfAFileAreAnsweredIntoAnother() throws {
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let (input, output) = (plugins.folder + "/in.pcap", plugins.folder + "/out.pcap")
      try Data(capture).write(to: URL(filePath: input))
      let result = try run(
        Installation.daemon,
        [
          "plugin", "run", plugins.folder + "/lima-net-hello.so", "--pcap", input, "--out", output,
        ])
      #expect(result.succeeded && result.output.contains("2 frames in, 2 out"), "\(result)")
      let answers = [UInt8](try Data(contentsOf: URL(filePath: output)))
      try #require(answers.count == 24 + 2 * (16 + 42))
      #expect(Array(answers[40..<46]) == guest && answers[61] == 2)
      try Data([1, 2, 3]).write(to: URL(filePath: input))
      let broken = try run(
        Installation.daemon,
        [
          "plugin", "run", plugins.folder + "/lima-net-hello.so", "--pcap", input, "--out", output,
        ])
      #expect(!broken.succeeded && broken.errors.contains("no pcap file"), "\(broken)")
    }

    @Test func aCrashOfGarbageIsToldWithItsSeed() throws {
      let plugins = try TestPlugins.build(["hello"])
      defer { plugins.remove() }
      let fine = try run(
        Installation.daemon,
        ["plugin", "fuzz", plugins.folder + "/lima-net-hello.so", "--seconds", "1", "--seed", "5"])
      #expect(fine.succeeded && fine.output.contains("go on with --seed"), "\(fine)")
      let faulty = plugins.folder + "/lima-net-faulty.so"
      let built = try run(
        "cc",
        [
          "-shared", "-fPIC", "-pthread", "-DFAULT=\"data-garbage\"", "-I",
          Installation.root + "/Sources/PluginAPI/include", "-o", faulty,
          Installation.fixtures + "/plugins/faulty.c",
        ], seconds: 60)
      try #require(built.succeeded, "\(built)")
      let crashed = try run(
        Installation.daemon, ["plugin", "fuzz", faulty, "--seconds", "60", "--seed", "5"],
        seconds: 90)
      #expect(!crashed.succeeded && crashed.errors.contains("--seed 5"), "\(crashed)")
      #expect(crashed.errors.contains("SIGSEGV in rx"), "\(crashed)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A running network's DNS is changed on SIGHUP: from hostdns to the example that answers from a
// zone file, and back, while a guest transfers.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct DNSSwapTests {
    private func configuration(_ zone: String, file: String? = nil) -> String {
      """
      networks:
        default:
          mode: slirp
          dns:
            \(file == nil ? "plugin: hostdns" : "{plugin: zone, options: {file: \(file ?? "")}}")
      """ + "\n"
    }

    @Test func aSwapDropsNoConnectionAndTheNextProcessKeepsIt() throws {
      try require(.tap, .program("curl"), .program("dig"), .program("make"))
      let example = try ExamplePlugin(zone: "lab.zone")
      defer { example.remove() }
      let daemon = try TestDaemon(
        configuration: configuration("hostdns"), arguments: ["--plugin-dir", example.folder])
      let servers = try HostServers()
      defer { daemon.stop(); servers.stop() }

      let size = 4 << 30
      let transfer = try daemon.begin(
        "exec", "default", "--mtu", "65520", "--", "sh", "-c",
        "echo begun; curl -sS http://192.168.5.2:\(servers.ports.http)/bytes/\(size) | sha256sum")
      defer { transfer.stop() }
      #expect(eventually { transfer.output.contains("begun") }, "\(transfer.errors)")
      let before = try daemon.hostProcess(of: "default")
      let dig = "dig +short +time=2 +tries=1 @192.168.5.3"
      #expect(try daemon.guest("\(dig) www.lab.test").output != "192.0.2.80\n")

      try daemon.write(configuration: configuration("zone", file: example.zone))
      kill(daemon.processIdentifier, SIGHUP)
      #expect(
        try eventually {
          ((try daemon.network("default"))["dns"] as? [String: Any])?["name"] as? String == "zone"
        }, "\(daemon.log)")
      #expect(try daemon.guest("\(dig) www.lab.test").output == "192.0.2.80\n")
      // Names that the network published are answered whoever the plugin is.
      #expect(try daemon.guest("\(dig) host.lima.internal").output == "192.168.5.2\n")
      let asked = try daemon.netd("dns", "query", "ns.lab.test")
      #expect(asked.output.contains("192.0.2.53") && asked.output.contains("from zone"), "\(asked)")
      let again = try daemon.netd("dns", "query", "ns.lab.test")
      #expect(again.output.contains("from the cache (zone"), "\(again)")
      #expect(try daemon.netd("dns", "cache", "ls").output.contains("ns.lab.test"))
      #expect(try daemon.netd("dns", "cache", "flush").succeeded)
      #expect(!(try daemon.netd("dns", "cache", "ls", "--json").output.contains("ns.lab.test")))
      let own = try daemon.netd("dns", "query", "host.lima.internal")
      #expect(own.output.contains("from the names"), "\(own)")

      // One that cannot be leaves this one, and says why, with the line of the zone file.
      try "$ORIGIN lab.test.\n$TTL 60\nwww A 1.2.3\n".write(
        toFile: example.folder + "/bad.zone", atomically: true, encoding: .utf8)
      try daemon.write(
        configuration: configuration("zone", file: example.folder + "/bad.zone"))
      kill(daemon.processIdentifier, SIGHUP)
      #expect(
        try eventually { try daemon.netd("network", "ls").output.contains("bad.zone:3: ") },
        "\(daemon.log)")
      #expect(try daemon.guest("\(dig) www.lab.test").output == "192.0.2.80\n")

      #expect(try daemon.hostProcess(of: "default") == before)
      let expected = try run(
        "curl", ["-sS", "http://127.0.0.1:\(servers.ports.http)/sha256/\(size)"], seconds: 120)
      let result = transfer.wait(seconds: 240)
      #expect(result.succeeded, "\(result)")
      let digest = result.output.split(separator: "\n").last?.split(separator: " ").first
      #expect(digest == expected.output.split(separator: "\n").first, "\(result)")

      // A process that is started again begins with the DNS that answered, not with the one that cannot.
      let first = try #require(before)
      let untilAnswered = "for i in 1 2 3 4 5; do \(dig) www.lab.test && break; done"
      #expect(
        try daemon.guest("kill -9 \(first); \(untilAnswered)").output.hasSuffix("192.0.2.80\n"))
      let kept = try daemon.netd("network", "ls").output
      #expect(kept.contains("zone goes on") && kept.contains("bad.zone:3: "), "\(kept)")
      let second = try #require(try daemon.hostProcess(of: "default"))
      #expect(second != first)

      // After a crash the configuration's one is there again.
      try daemon.write(configuration: configuration("zone", file: example.zone))
      kill(daemon.processIdentifier, SIGHUP)
      let last = try daemon.guest("\(dig) www.lab.test; kill -9 \(second)")
      #expect(last.succeeded, "\(last)\n\(daemon.log)")
      let after = try daemon.guest(untilAnswered)
      #expect(after.output.hasSuffix("192.0.2.80\n"), "\(after)\n\(daemon.log)")
    }
  }
}

/// SDK/examples/2-dns-zone, built by its own Makefile, and a zone file beside it.
struct ExamplePlugin {
  let folder: String
  let zone: String
  var file: String { folder + "/lima-dns-zone.so" }
  static let source = Installation.root + "/SDK/examples/2-dns-zone"

  init(zone name: String) throws {
    folder = "/tmp/lndz\(UInt32.random(in: .min ... .max))"
    zone = folder + "/" + name
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Installation.fixtures + "/" + name, toPath: zone)
    let made = try run(
      "make",
      [
        "-s", "-C", Self.source, "HEADERS=" + Installation.root + "/Sources/PluginAPI/include",
        "OUT=" + file,
      ], seconds: 60)
    guard made.succeeded else { throw TestFailure("\(made)") }
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

// SPDX-License-Identifier: Apache-2.0
//
// Plugins of released versions of the ABI, as their authors built them then, and sources of then built with the headers of
// now: each does what it did. Fixtures/golden says what they are.

import LibC
import DNSMessage
import HostProtocol
import JSONCoding
import Platform
import TestSupport
import Testing

@testable import Host

@Suite(.serialized, .timeLimit(.minutes(5))) struct GoldenTests {
  private static let folder = Fixture.root + "/Tests/HostTests/Fixtures/golden"

  #if arch(x86_64)
    private static let machine = "x86_64"
  #elseif arch(arm64)
    private static let machine = "aarch64"
  #endif

  private func command(_ words: String...) throws -> (succeeded: Bool, output: String) {
    let result = try BoundedCommand.run("/usr/bin/env", words, seconds: 240)
    return (result.succeeded, result.output + result.errors)
  }

  private func start(_ network: String, dns: String? = nil, options: String = "{}") throws -> (
    host: RunningHost, reply: HostReply
  ) {
    let host = try RunningHost()
    var spec = NetworkSpec(
      name: "lab", mode: "golden", plugin: PluginRef(file: network, name: "golden"),
      options: options)
    if let dns {
      spec.dns = PluginRef(file: dns, name: "golden")
      spec.dnsBehind = [
        DNSStage(plugin: PluginRef(file: try NetworkHostTests.mirror.get().path, name: "mirror"))
      ]
    }
    return (host, try host.request(.start(spec)))
  }

  /// Everything that a supervisor asks of a network, and what the plugin counted of it.
  private func drive(_ network: String) throws {
    let refused = try start(network, options: "{\"word\":\"hey!\"}")
    guard case .failed(let error) = refused.reply else {
      throw RunningHost.Failure(description: "it starts")
    }
    #expect(error.code == .invalidConfig && error.jsonPointer == "/word", "\(error)")

    let (host, reply) = try start(network)
    try #require(reply == .ok, "\(reply) \(host.log)")
    let guest = try host.addGuest(1, name: "vm")
    defer { close(guest.fd) }
    #expect(guest.reply == .ok)
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    #expect(try host.request(.renamePort(PortName(id: 1, name: "web"))) == .ok)
    guard case .json(let lease) = try host.request(.reserveLease(port: 1)) else {
      throw RunningHost.Failure(description: "no lease")
    }
    #expect(lease["address"]?.string == "10.97.0.2")
    #expect(try host.request(.releaseLease(port: 1)) == .ok)
    let forward = ForwardSpec(protocol: .tcp, host: "127.0.0.1:8080", guest: "10.97.0.2:80")
    guard case .failed(let taken) = try host.request(.expose(forward)) else {
      throw RunningHost.Failure(description: "it exposes")
    }
    #expect(taken.code == .exists && taken.message == "taken", "\(taken)")
    #expect(try host.request(.unexpose(forward)) == .ok)
    var spec = NetworkSpec(
      name: "lab", mode: "golden", plugin: PluginRef(file: network, name: "golden"),
      options: "{\"mtu\":9000}")
    spec.mtu = 9000
    #expect(try host.request(.reconfigure(spec)) == .ok)
    let wanted = [
      "rx": 1, "tunnelled": 1, "up": 2, "fired": 2, "wakes": 1, "ready": 1, "answers": 1,
      "reconfigured": 1, "changed": 2, "stations": 1, "released": 1, "exposed": 1, "failures": 0,
    ]
    let status = try host.wait { $0["answers"]?.integer() == 1 && $0["ready"]?.integer() == 1 }
    for (name, count) in wanted {
      #expect(status[name]?.integer() == count, "\(name): \(status.text)")
    }
    #expect(
      host.events.contains(
        .pluginReport(
          PluginReport(
            kind: "network", plugin: "golden", state: "degraded", text: "as it should be"))))
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0), "\(host.log)")
    // Nothing that a plugin of then does is forbidden now.
    #expect(!host.log.contains("was called") && !host.log.contains("malformed"), "\(host.log)")
  }

  private func ask(_ host: RunningHost, _ name: String) throws -> DNSResponseCode {
    let name = try #require(DNSName(name))
    let message = DNSMessage(query: DNSQuestion(name: name, type: .a), id: 7)
    let reply = try host.request(.resolve(ResolveSpec(message: Base64.encode(message.encoded()))))
    guard case .resolved(let resolved) = reply, let bytes = Base64.decode(resolved.message) else {
      throw RunningHost.Failure(description: "\(reply)")
    }
    return try DNSMessage(parsing: bytes).responseCode
  }

  private func driveDNS(_ dns: String, network: String) throws {
    let (host, reply) = try start(network, dns: dns)
    try #require(reply == .ok, "\(reply) \(host.log)")
    #expect(try ask(host, "a.example") == .refused)
    #expect(try ask(host, "p.example") == .refused)
    #expect(try ask(host, "next.example") == .noError)
    #expect(try host.request(.networkChanged) == .ok)
    let status = try #require(host.status().dnsPlugin)
    for (name, count) in ["rx": 3, "answers": 1, "events": 1, "failures": 0] {
      #expect(status[name]?.integer() == count, "\(name): \(status.text)")
    }
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0), "\(host.log)")
  }

  @Test func `the files that are kept are those that were built then`() throws {
    let sums = try command("sh", "-c", "cd \(Self.folder)/1.0 && sha256sum -c SHA256SUMS")
    #expect(sums.succeeded, "\(sums.output)")
    for file in ["x86_64/lima-net-golden.so", "aarch64/lima-dns-golden.so", "overlay.tar.xz"] {
      #expect(try Fixture.read("\(Self.folder)/1.0/\(file)").count < 50 << 10, "\(file)")
    }
  }

  @Test func `a network of 1.0 in C, as it was built then, does all that it did`() throws {
    try drive("\(Self.folder)/1.0/\(Self.machine)/lima-net-golden.so")
  }

  @Test func `a DNS plugin of 1.0 in C, as it was built then, does all that it did`() throws {
    let files = "\(Self.folder)/1.0/\(Self.machine)"
    try driveDNS("\(files)/lima-dns-golden.so", network: "\(files)/lima-net-golden.so")
  }

  @Test func `its source builds with each version of the headers and without a warning`() throws {
    let minors = try Fixture.list(Fixture.root + "/SDK/abi").filter { $0.hasPrefix("1.") }
    #expect(minors.contains("1.0"))
    let headers = minors.map { "\(Fixture.root)/SDK/abi/\($0)" } + [Fixture.headers]
    for (number, folder) in headers.enumerated() {
      let out = try Fixture.folder()
      for kind in ["net", "dns"] {
        let built = try command(
          "cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin",
          "-fPIC", "-shared", "-nostdlib", "-fvisibility=hidden", "-fno-stack-protector",
          "-I", folder, kind == "dns" ? "-DGOLDEN_DNS" : "-DGOLDEN_NET", "-o",
          "\(out)/lima-\(kind)-golden.so", "\(Self.folder)/golden.c")
        try #require(built.succeeded, "\(folder): \(built.output)")
      }
      // Those of the newest have to work, too.
      guard number == headers.count - 1 else { continue }
      try drive("\(out)/lima-net-golden.so")
      try driveDNS("\(out)/lima-dns-golden.so", network: "\(out)/lima-net-golden.so")
    }
  }

  @Test func `a network of 1.0 in Swift, with the overlay of then, does all that it did`() throws {
    let out = try Fixture.folder()
    let built = try command(Self.folder + "/build-swift", out)
    try #require(built.succeeded, "\(built.output)")
    try drive(out + "/lima-net-golden.so")
  }
}

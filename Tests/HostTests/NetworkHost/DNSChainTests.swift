// SPDX-License-Identifier: Apache-2.0
//
// DNS plugins behind each other (limanetd.dns-next/1), and starts that end later.

import LibC
import DNSMessage
import HostProtocol
import JSONCoding
import Platform
import TestSupport
import Testing

@testable import Host

@Suite(.serialized, .timeLimit(.minutes(5))) struct DNSChainTests {
  private static let relay = Result { try Fixture(file: "relay.c", as: "lima-dns-relay.so") }

  private func running(behind: [DNSStage]) throws -> RunningHost {
    let host = try RunningHost()
    var spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try NetworkHostTests.echo.get().path, name: "echo"),
      dns: PluginRef(file: try Self.relay.get().path, name: "relay"))
    spec.dnsBehind = behind
    let reply = try host.request(.start(spec))
    guard reply == .ok else { throw RunningHost.Failure(description: "start: \(reply)") }
    return host
  }

  private func mirror() throws -> DNSStage {
    DNSStage(plugin: PluginRef(file: try NetworkHostTests.mirror.get().path, name: "mirror"))
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

  @Test func `the first answers by itself or asks the next, whose answer is the guest's`() throws {
    let host = try running(behind: [try mirror()])
    #expect(try ask(host, "a.example") == .noError)
    #expect(try ask(host, "b.example") == .refused)
    let status = try host.status()
    #expect(status.modules.map(\.name) == ["echo", "relay", "mirror"])
    #expect(status.dnsPlugin?["count"]?.integer() == 2)
    // Kept: the second time nobody is asked. What is private is not.
    #expect(try ask(host, "p.example") == .noError)
    #expect(try ask(host, "p.example") == .noError)
    #expect(try host.status().dnsPlugin?["count"]?.integer() == 4)
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0))
    #expect(host.log.contains("mirror destroyed"))
  }

  @Test func `three of them stand behind each other, two of one file`() throws {
    let relay = DNSStage(plugin: PluginRef(file: try Self.relay.get().path, name: "relay"))
    let host = try running(behind: [relay, try mirror()])
    #expect(try ask(host, "a.example") == .noError)
    #expect(try ask(host, "b.example") == .refused)
    #expect(try host.request(.stop) == .ok)
  }

  @Test func `the last of a list that wants one behind it does not start, and nothing is left`()
    throws
  {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try NetworkHostTests.echo.get().path, name: "echo"),
      dns: PluginRef(file: try Self.relay.get().path, name: "relay"))
    guard case .failed(let error) = try host.request(.start(spec)) else {
      throw RunningHost.Failure(description: "it starts")
    }
    #expect(error.code == .unsupported && error.message == "nobody is behind")
    #expect(try host.exit() == .exited(1))
  }

  // MARK: Starts that end later

  @Test func `a start that ends later is a start, and what the plugin reports is told`() throws {
    let host = try RunningHost.running(NetworkHostTests.echo.get(), options: "{\"late\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    let report = PluginReport(
      kind: "network", plugin: "echo", state: "degraded", text: "half a moon")
    #expect(host.events.contains(.pluginReport(report)))
    #expect(host.log.contains("is degraded: half a moon"))
  }

  @Test func `a start that fails later gives its reason, and the process ends`() throws {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try NetworkHostTests.echo.get().path, name: "echo"),
      options: "{\"lateFail\":1}")
    guard case .failed(let error) = try host.request(.start(spec)) else {
      throw RunningHost.Failure(description: "it starts")
    }
    #expect(error.code == .busy && error.message == "the moon is not up")
    #expect(try host.exit() == .exited(1))
    #expect(host.log.contains("destroyed"))
  }

  @Test func `a stop while a start is under way ends the process`() throws {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try NetworkHostTests.echo.get().path, name: "echo"),
      options: "{\"stuck\":1}")
    _ = try host.send(.start(spec))
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0))
    #expect(host.log.contains("destroyed") && !host.log.contains("stopping"))
  }

  @Test func `options that a plugin cannot take while it runs are refused as that`() throws {
    let host = try RunningHost.running(NetworkHostTests.echo.get())
    let spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try NetworkHostTests.echo.get().path, name: "echo"), options: "{}")
    guard case .failed(let error) = try host.request(.reconfigure(spec)) else {
      throw RunningHost.Failure(description: "it takes them")
    }
    #expect(error.code == .unsupported)
  }
}

// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import Testing

@testable import Daemon

@Suite("Life of a network", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct LifecycleTests {
  @Test func `nothing runs before the first guest, who starts the network`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    fixture.pass(0.1)
    #expect(network.state == .stopped && network.link == nil)
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .running && fixture.requests().count >= 3 })
    #expect(
      fixture.requests() == [
        "start fake hostdns {} fds 1", "listener",
        "port stream guest-1 slot true resumed false fds 1",
      ])
    let report = network.report(registry: fixture.supervisor.plugins.registry)
    #expect(report.guests.map(\.transport) == ["stream"])
    #expect(report.plugin?.version == "1.2.3")
    #expect(report.plugin?.sha256 == "00ff")
    #expect(report.host?.pid == network.link?.pid)
  }

  @Test func `the last guest leaving stops the network after the grace period`() throws {
    let fixture = try Fixture(grace: 200_000_000)
    let network = try fixture.network()
    let guest = try fixture.connect()
    fixture.until { network.state == .running && fixture.requests().count >= 3 }
    let left = MonotonicClock.now()
    Descriptor.close(guest)
    #expect(fixture.until { network.guests.isEmpty && network.state == .stopped })
    #expect(MonotonicClock.now() - left >= 200_000_000)
    #expect(fixture.requests().last == "stop")
    let again = try fixture.connect()
    defer { Descriptor.close(again) }
    #expect(fixture.until { network.state == .running })
  }

  @Test func `a guest that comes back within the grace period finds the network running`() throws {
    let fixture = try Fixture(grace: 3_000_000_000)
    let network = try fixture.network()
    Descriptor.close(try fixture.connect())
    fixture.until {
      network.state == .running && network.guests.isEmpty && network.life.state.isInGracePeriod
    }
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.pass(3.3)
    #expect(network.state == .running)
    #expect(!fixture.requests().contains("stop"))
  }

  @Test
  func `a network whose process dies is back within a second, with guests, forwards and listener`()
    throws
  {
    let fixture = try Fixture()
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { network.state == .running }
    let forward = Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: "10.0.0.9:80")
    let added: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(forward)
    }
    #expect(throws: Never.self) { try added.get() }
    let before = fixture.requests().count
    let pid = try #require(network.link?.pid)
    ChildProcess.kill(pid, 11)
    #expect(fixture.until { network.life.restarts == 1 && network.state == .running })
    // At once: a pause is told.
    #expect(!fixture.log.lines.all.contains { $0.contains("starts again in") })
    fixture.until { fixture.requests().count >= before + 4 }
    #expect(
      fixture.requests().suffix(4) == [
        "start fake hostdns {} fds 1", "listener",
        "port stream guest-1 slot true resumed true fds 1",
        "expose 127.0.0.1:8080",
      ])
    let exit = try #require(network.lastExit)
    #expect(exit.reason.hasPrefix("killed by SIGSEGV"))
    #expect(exit.plugin?.name == "fake" && exit.plugin?.version == "1.2.3")
    #expect(
      fixture.log.lines.all.contains { $0.hasPrefix("error") && $0.contains("killed by SIGSEGV") })
  }

  @Test func `a stream that cannot be resumed is closed, so that the client connects again`() throws
  {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: boundary"))
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { network.state == .running && fixture.requests().count >= 3 }
    ChildProcess.kill(try #require(network.link?.pid), 9)
    #expect(fixture.until { network.life.restarts == 1 && network.guests.isEmpty })
    var buffer = [UInt8](repeating: 0, count: 16)
    #expect(Files.readSome(guest, &buffer) == 0)
  }

  @Test func `a process that dies without guests is not started again`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    Descriptor.close(try fixture.connect())
    fixture.until { network.state == .running && network.guests.isEmpty }
    ChildProcess.kill(try #require(network.link?.pid), 9)
    #expect(fixture.until { network.state == .stopped })
    #expect(network.lastExit?.reason.hasPrefix("killed by SIGKILL") == true)
  }

  @Test
  func `a process that dies at every start is started ever more slowly, and the log's end is kept`()
    throws
  {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: crash-at-start"))
    let network = try fixture.network()
    let guest = try fixture.connect()
    #expect(fixture.until { network.life.restarts == 3 && network.state == .restarting })
    #expect(network.life.state.retryAt != nil)
    #expect(network.life.backoff.failures == 3)
    #expect(network.lastExit?.log.contains("about to fall over") == true)
    // Whoever asks gets an answer; the guest is held.
    let result: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    #expect(throws: ErrorReport.self) { try result.get() }
    #expect(network.guests.count == 1)
    Descriptor.close(guest)
    // Nobody waits for it any more, and what was wrong stays told until a start succeeds or somebody stops it.
    #expect(fixture.until { network.state == .failed })
    let told = network.report(registry: nil).error?.message ?? ""
    #expect(told.contains("times while starting, last: ") && told.contains(network.core.logFile))
    network.stop("network stop")
    #expect(network.state == .stopped && network.report(registry: nil).error == nil)
  }

  @Test func `a process that talks nonsense is replaced`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: garbage"))
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.life.restarts > 0 })
    #expect(network.lastExit?.reason.contains("makes no sense") == true)
  }

  @Test func `what a plugin refuses is told by its place in the file, and the guest is sent away`()
    throws
  {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: refuse"))
    let network = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    #expect(fixture.until { network.state == .failed })
    #expect(
      network.life.state.error?.message
        == "\(fixture.home.configFile):4:25: networks.lab.options.behavior: is not to its taste (plugin fake)"
    )
    var buffer = [UInt8](repeating: 0, count: 16)
    #expect(Files.readSome(guest, &buffer) == 0)
  }

  @Test func `a process that hangs at its stop is killed`() throws {
    let fixture = try Fixture(config: Fixture.oneNetwork("behavior: hang-at-stop"))
    let network = try fixture.network()
    let started: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    let pid = try started.get().pid
    let before = MonotonicClock.now()
    network.stop("the test says so")
    #expect(fixture.until(8) { network.state == .stopped })
    #expect(MonotonicClock.now() - before >= 4_900_000_000)
    #expect(network.lastExit?.reason.contains("while stopping") == true)
    #expect(!Files.exists("/proc/\(pid)/exe"))
  }

  #if os(Linux)
    @Test func `who asks for a network that waits for its interface is told so at once`() throws {
      let fixture = try Fixture(
        config: "networks:\n  lab:\n    mode: bridged\n    interface: lnd-no-br0\n", start: false)
      try Fixture.write(
        fixture.plugins + "/lima-net-port.so",
        Fixture.inspection(
          kind: "network", name: "port", modes: ["bridged"],
          schema: #"{"type":"object","properties":{"interface":{"type":"string"}}}"#,
          needsTap: true))
      try fixture.supervisor.start()
      let network = try fixture.network()
      // It ran once, and has a guest.
      network.life = NetworkLife(restarts: 1)
      let guest = try fixture.connect()
      defer { Descriptor.close(guest) }
      #expect(fixture.until { network.uplink.isWaiting })
      let result: Result<HostLink, ErrorReport> = try fixture.result {
        try await network.whenRunning().value()
      }
      guard case .failure(let report) = result else {
        Issue.record("there is no such bridge")
        return
      }
      #expect(report.message.hasPrefix("network lab: there is no interface lnd-no-br0"))
      #expect(report.message.contains(" doctor bridged"))
      #expect(network.guests.count == 1)
    }
  #endif

  @Test func `a mode nobody claims is an error that lists those there are`() throws {
    let fixture = try Fixture(config: "networks:\n  lab:\n    mode: fak\n")
    let network = try fixture.network()
    let result: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    #expect(
      throws: ErrorReport(
        code: "NOT_FOUND",
        message: "network lab: no plugin claims mode `fak`: there is fake; did you mean `fake`?")
    ) { try result.get() }
  }

  @Test func `back-off begins at nothing, doubles to 10 s and forgets after a long life`() {
    var backoff = Backoff()
    let delays = (0..<10).map { _ in backoff.delay(afterLife: 0) / 1_000_000 }
    #expect(delays == [0, 100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000])
    #expect(backoff.delay(afterLife: Backoff.longLife) == 0)
  }
}

// SPDX-License-Identifier: Apache-2.0
import LibC
import HostProtocol
import Platform
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct LifeTests {
  private var echo: Fixture { get throws { try NetworkHostTests.echo.get() } }

  @Test func stopTakesPortsDownDestroysAndExits() throws {
    let host = try RunningHost.running(echo, dns: NetworkHostTests.mirror.get())
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0))
    #expect(host.log.contains("stopping"))
    #expect(host.log.contains("destroyed"))
  }

  @Test func namesThatAPluginPublishesAreWordOfLeases() throws {
    let host = try RunningHost.running(echo)
    // The plugin publishes when it starts.
    let isTold = try eventually {
      _ = try host.status()
      return host.events.contains(.leasesChanged)
    }
    #expect(isTold)
  }

  @Test func aHostWhoseSupervisorIsGoneStopsByItself() throws {
    let host = try RunningHost.running(echo)
    host.channel.close()
    #expect(try host.exit() == .exited(0))
    #expect(host.log.contains("the supervisor is gone"))
    #expect(host.log.contains("destroyed"))
  }

  @Test func sigtermStopsInOrder() throws {
    let host = try RunningHost.running(echo)
    ChildProcess.kill(host.pid, SIGTERM)
    #expect(try host.exit() == .exited(0))
    #expect(host.log.contains("destroyed"))
  }

  @Test func aPluginThatDoesNotStopIsLeftBehindAfterFiveSeconds() throws {
    let host = try RunningHost.running(echo, options: "{\"neverStop\":true}")
    let began = MonotonicClock.now()
    guard case .failed(let error) = try host.request(.stop) else {
      return #expect(Bool(false), "it stopped")
    }
    #expect(error.code == .timeout)
    #expect(MonotonicClock.now() - began >= 4_900_000_000)
    #expect(try host.exit() == .exited(1))
  }

  @Test func aFailedCreateNamesTheOption() throws {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo", plugin: PluginRef(file: try echo.path, name: "echo"),
      options: "{\"failCreate\":1}")
    let expected = HostError(
      .invalidConfig, "not inside 10.0.0.0/24", jsonPointer: "/gateway", plugin: "echo")
    #expect(try host.request(.start(spec)) == .failed(expected))
    #expect(
      expected.description == "options.gateway: not inside 10.0.0.0/24 (plugin echo)")
    #expect(try host.exit() == .exited(1))
  }

  @Test func aFailedStartDestroysTheInstance() throws {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo", plugin: PluginRef(file: try echo.path, name: "echo"),
      options: "{\"failStart\":1}")
    #expect(
      try host.request(.start(spec))
        == .failed(HostError(.system, "no such device", plugin: "echo")))
    #expect(try host.exit() == .exited(1))
    #expect(host.log.contains("destroyed"))
  }

  @Test func aPluginThatCannotBeLoadedIsExplained() throws {
    let broken = try Fixture(
      "void nowhere(void); void use(void) { nowhere(); }", as: "lima-net-broken.so")
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "x", plugin: PluginRef(file: broken.path, name: "broken"))
    guard case .failed(let error) = try host.request(.start(spec)) else {
      return #expect(Bool(false), "it started")
    }
    #expect(error.message.hasSuffix("nothing defines the symbol nowhere, which it needs"))
  }

  @Test func aFileThatHasChangedSinceItWasFoundIsNotLoaded() throws {
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(
        file: try echo.path, name: "echo", sha256: String(repeating: "0", count: 64)))
    guard case .failed(let error) = try host.request(.start(spec)) else {
      return #expect(Bool(false), "it started")
    }
    #expect(error.message.contains("has changed since it was found"))
  }

  @Test func aCrashNamesTheCallbackInTheLog() throws {
    let host = try RunningHost.running(echo, options: "{\"crash\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    _ = Sockets.send(guest.fd, testFrame, testFrame.count, 0)
    #expect(try host.exit() == .killed(signal: SIGSEGV, coreDumped: false))
    #expect(host.log.contains("FATAL host: SIGSEGV in callback `rx` of plugin echo"))
  }

  @Test func aPluginThatClosesTheHostsDescriptorsEndsItWithAReason() throws {
    let host = try RunningHost.running(echo, options: "{\"vandal\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    _ = Sockets.send(guest.fd, testFrame, testFrame.count, 0)
    #expect(try host.exit() == .exited(1))
    #expect(host.log.contains("did a plugin close what is not its own?"))
  }

  @Test func aStreamOutlivesItsHostWhenItsBoundaryIsKnown() throws {
    let journal = try SharedMemory.create(name: "journal", size: JournalLayout.size)
    let (guest, kept) = try UnixSocket.pair()
    defer { for fd in [journal, guest, kept] { close(fd) } }
    var spec = PortSpec(id: 1, transport: .stream, journalSlot: 5)
    let framed = [0, 0, 0, UInt8(testFrame.count)] + testFrame
    let echoed = [0, 0, 0, UInt8(echoedFrame.count)] + echoedFrame

    let first = try RunningHost.running(echo, journal: journal)
    #expect(try first.request(.addPort(spec), fds: [kept]) == .ok)
    #expect(try exchange(guest, framed) == echoed)
    // Half a frame is read when it dies; the rest is skipped by the next one.
    #expect(Sockets.send(guest, framed, 10, 0) == 10)
    #expect(try first.request(.networkChanged) == .ok)
    ChildProcess.kill(first.pid, SIGKILL)
    _ = try first.exit()

    let second = try RunningHost.running(echo, journal: journal)
    spec.resumed = true
    #expect(try second.request(.addPort(spec), fds: [kept]) == .ok)
    #expect(Sockets.send(guest, Array(framed[10...]), framed.count - 10, 0) == framed.count - 10)
    #expect(try exchange(guest, framed) == echoed)
  }

  @Test func aStreamWithoutAKnownBoundaryIsNotResumed() throws {
    let host = try RunningHost.running(echo)
    let (guest, kept) = try UnixSocket.pair()
    defer { for fd in [guest, kept] { close(fd) } }
    let spec = PortSpec(id: 1, transport: .stream, journalSlot: 5, resumed: true)
    guard case .failed(let error) = try host.request(.addPort(spec), fds: [kept]) else {
      return #expect(Bool(false), "it was resumed")
    }
    #expect(error.code == .boundary)
  }

  @Test func aSlowCallbackIsLoggedByName() throws {
    let host = try RunningHost.running(echo, options: "{\"slow\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    _ = try exchange(guest.fd, testFrame)
    #expect(try host.status().host.slowCallbacks >= 1)
    #expect(host.log.contains("callback rx took"))
  }

  @Test func garbageOnTheControlChannelEndsNothingThatRuns() throws {
    let host = try RunningHost.running(echo)
    try host.channel.sendBlocking(Array("{\"id\":7,\"body\":{\"fly\":{}}}".utf8))
    guard case .reply(id: 7, .failed(let error)) = try host.receive() else {
      return #expect(Bool(false), "no reply")
    }
    #expect(error.code == .unsupported)
    try host.channel.sendBlocking([0xff, 0x00])
    #expect(try host.request(.status) != .ok)
  }

  @Test func requestsBeforeStartAreRefused() throws {
    let host = try RunningHost()
    guard case .failed(let error) = try host.request(.listLeases) else {
      return #expect(Bool(false), "it answered")
    }
    #expect(error.code == .notFound)
    #expect(try host.request(.stop) == .ok)
    #expect(try host.exit() == .exited(0))
  }
}

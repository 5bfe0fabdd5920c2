// SPDX-License-Identifier: Apache-2.0
import LibC
import HostProtocol
import JSONCoding
import Platform
import TestSupport
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct NetworkHostTests {
  static let echo = Result { try Fixture(file: "echo.c", as: "lima-net-echo.so") }
  static let switched = Result {
    try Fixture(file: "echo.c", as: "lima-net-echo.so", flags: ["-DECHO_FLAGS=0"])
  }
  static let mirror = Result { try Fixture(file: "mirror.c", as: "lima-dns-mirror.so") }

  @Test func framesGoThroughThePluginAndBack() throws {
    let host = try RunningHost.running(Self.echo.get())
    let guest = try host.addGuest(1, name: "vm")
    defer { close(guest.fd) }
    #expect(guest.reply == .ok)
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    let status = try host.status()
    #expect(status.ports.count == 1)
    #expect(status.ports.first?.rxFrames == 1)
    #expect(status.ports.first?.txFrames == 1)
    #expect(try host.plugin()["name"]?.string == "vm")
  }

  @Test func framesGoThroughTheSwitchAndBack() throws {
    let host = try RunningHost.running(Self.switched.get())
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(guest.reply == .ok)
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    // The switch's own port, and no other, came up.
    #expect(try host.plugin()["up"]?.integer() == 1)
  }

  @Test func noGuestIsHeardBeforeAllAreKnown() throws {
    let host = try RunningHost.running(Self.echo.get(), holdsGuests: true)
    let first = try host.addGuest(1)
    defer { close(first.fd) }
    #expect(Sockets.send(first.fd, testFrame, testFrame.count, 0) == testFrame.count)
    // Many turns of the loop: in a single one of them the frame would be read.
    for _ in 0..<5 { #expect(try host.plugin()["rx"]?.integer() == 0) }
    let second = try host.addGuest(2, transport: .stream)
    defer { close(second.fd) }
    let status = try host.plugin()
    #expect(status["up"]?.integer() == 2 && status["rx"]?.integer() == 0)
    #expect(try host.request(.guestsAreKnown) == .ok)
    _ = try host.wait { $0["rx"]?.integer() == 1 }
    // Those that come later are heard at once.
    let third = try host.addGuest(3)
    defer { close(third.fd) }
    #expect(try exchange(third.fd, testFrame) == echoedFrame)
  }

  @Test func anUplinkIsAPortOfTheSwitch() throws {
    let host = try RunningHost.running(Self.switched.get(), options: "{\"uplink\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(guest.reply == .ok)
    #expect(try host.status().ports.map(\.kind) == ["dgram", "uplink"])
    // To an unknown address: to the plugin, and out of the uplink.
    #expect(Sockets.send(guest.fd, testFrame, testFrame.count, 0) == testFrame.count)
    _ = try host.wait { $0["upFrames"]?.integer() == 1 && $0["rx"]?.integer() == 1 }
    #expect(try host.status().ports.map(\.kind) == ["dgram"])
  }

  @Test
  func `a guest that is renamed is told to a plugin that sees ports, and to one behind a switch`()
    throws
  {
    for plugin in [Self.echo, Self.switched] {
      let host = try RunningHost.running(plugin.get())
      let guest = try host.addGuest(1, name: "guest-1")
      defer { close(guest.fd) }
      #expect(try host.request(.renamePort(PortName(id: 1, name: "web"))) == .ok)
      var status = try host.plugin()
      #expect(status["changed"]?.integer() == 1 && status["name"]?.string == "web")
      #expect(status["kind"]?.integer() == 1)
      // The same again is no change.
      #expect(try host.request(.renamePort(PortName(id: 1, name: "web"))) == .ok)
      status = try host.plugin()
      #expect(status["changed"]?.integer() == 1)
      guard case .failed(let error) = try host.request(.renamePort(PortName(id: 2, name: "x")))
      else { throw RunningHost.Failure(description: "there is a guest 2") }
      #expect(error.code == .notFound)
    }
  }

  @Test func `another mtu of the network is a change of the switch's port`() throws {
    let host = try RunningHost.running(Self.switched.get(), options: "{\"takes\":1}")
    var spec = NetworkSpec(
      name: "lab", mode: "echo",
      plugin: PluginRef(file: try Self.switched.get().path, name: "echo"),
      options: "{\"takes\":1,\"mtu\":9000}")
    spec.mtu = 9000
    #expect(try host.request(.reconfigure(spec)) == .ok)
    let status = try host.plugin()
    #expect(status["changed"]?.integer() == 1 && status["mtu"]?.integer() == 9000)
    #expect(status["kind"]?.integer() == 2)
    #expect(try host.request(.reconfigure(spec)) == .ok)
    #expect(try host.plugin()["changed"]?.integer() == 1)
  }

  @Test func aForwardOfWhatIsNoAddressDoesNotReachThePlugin() throws {
    let host = try RunningHost.running(Self.echo.get())
    let cases: [(ForwardSpec.Transport, String, String, String)] = [
      (.tcp, "localhost:80", "192.168.5.15:80", "127.0.0.1:8080"),
      (.tcp, "127.0.0.1:80", "192.168.5.15", "192.168.5.15:80"),
      (.unix, "web.sock", "192.168.5.15:80", "absolute"),
    ]
    for (transport, address, guest, text) in cases {
      let spec = ForwardSpec(protocol: transport, host: address, guest: guest)
      guard case .failed(let error) = try host.request(.expose(spec)) else {
        throw RunningHost.Failure(description: "\(address) is exposed")
      }
      #expect(error.code == .invalidConfig && error.message.contains(text))
    }
  }

  @Test func thePortsOfAStatusComeInPages() throws {
    let host = try RunningHost.running(Self.echo.get())
    let count = HostStatus.maximumPorts + 2
    let guests = try (1...count).map { try host.addGuest(UInt64($0)).fd }
    defer { for fd in guests { close(fd) } }
    let first = try host.status()
    #expect(first.ports.map(\.id) == Array(1...UInt64(HostStatus.maximumPorts)))
    #expect(first.hasMorePorts == true)
    let last = try #require(first.ports.last?.id)
    guard case .status(let rest) = try host.request(.statusOfPorts(after: last)) else {
      throw RunningHost.Failure(description: "no ports")
    }
    #expect(rest.ports.map(\.id) == [last + 1, last + 2] && rest.hasMorePorts != true)
  }

  @Test func requestsThatComeTogetherAreHandledInSeveralTurns() throws {
    let host = try RunningHost.running(Self.echo.get())
    let set = NameSet(
      owner: "vm",
      hosts: Dictionary(
        uniqueKeysWithValues: (0..<200).map { ("host\($0).some.example.test", ["10.0.0.1"]) }))
    let before = try host.status().host.turns
    for _ in 0..<40 { _ = try host.send(.setNames(set)) }
    #expect(try host.status().host.turns - before >= 20)
  }

  @Test func timersThatAreAlwaysDueDoNotKeepTheLoop() throws {
    let host = try RunningHost.running(Self.echo.get(), options: "{\"rearm\":1}")
    let guest = try host.addGuest(1)
    defer { close(guest.fd) }
    #expect(try exchange(guest.fd, testFrame) == echoedFrame)
    _ = try host.wait { $0["rearmed"]?.integer() ?? 0 > 2 }
    #expect(try host.status().host.turns > 2)
  }

  @Test func aStreamGuestIsServedBesideADatagramGuest() throws {
    let host = try RunningHost.running(Self.echo.get())
    let datagram = try host.addGuest(1)
    let stream = try host.addGuest(2, transport: .stream)
    defer {
      close(datagram.fd)
      close(stream.fd)
    }
    let framed = [0, 0, 0, UInt8(testFrame.count)] + testFrame
    #expect(try exchange(stream.fd, framed) == [0, 0, 0, UInt8(echoedFrame.count)] + echoedFrame)
    #expect(try exchange(datagram.fd, testFrame) == echoedFrame)
  }

  @Test func everyHostFunctionDoesWhatTheHeaderSays() throws {
    let host = try RunningHost.running(Self.echo.get(), dns: Self.mirror.get())
    // The plugin's thread runs when the machine lets it: it may be behind the timers.
    let status = try host.wait {
      $0["timers"]?.integer() == 2 && $0["answers"]?.integer() == 1 && $0["fds"]?.integer() == 1
        && $0["wakes"]?.integer() == 1
    }
    #expect(status["orderOk"]?.integer() == 1)
    #expect(status["wrongThread"]?.integer() == 1)
    let counters = try host.status().host
    #expect(counters.wrongThreadCalls == 1)
    #expect(counters.staleHandles >= 4)
    #expect(host.log.contains("hello from a thread"))
  }

  @Test func forwardsAreRepliedToWhenThePluginIsDone() throws {
    let host = try RunningHost.running(Self.echo.get())
    let later = ForwardSpec(protocol: .tcp, host: "127.0.0.1:2", guest: "192.168.5.15:80")
    let taken = ForwardSpec(protocol: .tcp, host: "127.0.0.1:1", guest: "192.168.5.15:80")
    #expect(try host.request(.expose(later)) == .ok)
    #expect(
      try host.request(.expose(taken))
        == .failed(HostError(.exists, "127.0.0.1:1 is taken", plugin: "echo")))
    #expect(try host.request(.unexpose(later)) == .ok)
    #expect(try host.request(.listForwards) == .json([["protocol": "tcp"]]))
    guard case .failed(let error) = try host.request(.listLeases) else {
      return #expect(Bool(false), "what is no JSON was passed on")
    }
    #expect(error.code == .internal)
  }

  /// 600 KB of a plugin's JSON: the replies' order tells that the loop does not wait for it, not a clock.
  @Test func aLongListIsCheckedBesideTheLoopAndComesInParts() throws {
    let plugin = try Fixture(
      file: "echo.c", as: "lima-net-echo.so", flags: ["-DECHO_LEASES=4096"])
    let host = try RunningHost.running(plugin)
    let listed = try host.send(.listLeases)
    let looked = try host.send(.status)
    var order: [UInt64] = []
    var part: ListingPart?
    while order.count < 2 {
      guard case .reply(let id, let reply) = try host.receive(timeout: 60_000) else { continue }
      order.append(id)
      if case .part(let first) = reply { part = first }
    }
    #expect(order == [looked, listed])
    var addresses: [String] = []
    while let here = part {
      guard case .array(let page) = here.value else { break }
      #expect(page.count <= 128)
      addresses += page.compactMap { $0["address"]?.string }
      part = nil
      guard let next = here.next else { break }
      guard case .part(let more) = try host.request(.listingPart(next)) else {
        Issue.record("part \(next.part) is not there")
        break
      }
      part = more
    }
    #expect(addresses.count == 4096 && Set(addresses).count == 4096)
    #expect(addresses.last == "10.0.15.255")
    // The last part was the end of it.
    guard
      case .failed(let error) = try host.request(
        .listingPart(ListingPlace(listing: 1, part: 0)))
    else { return #expect(Bool(false), "it is kept for ever") }
    #expect(error.code == .notFound)
  }

  @Test func aLeaseIsReservedForAGuest() throws {
    let host = try RunningHost.running(Self.echo.get())
    let guest = try host.addGuest(1, name: "vm")
    let late = try host.addGuest(2, name: "late")
    defer {
      close(guest.fd)
      close(late.fd)
    }
    #expect(
      try host.request(.reserveLease(port: 1))
        == .json(["address": "192.168.5.15", "mac0": 82]))
    #expect(
      try host.request(.reserveLease(port: 2))
        == .failed(HostError(.limit, "there is none left", plugin: "echo")))
    guard case .failed(let error) = try host.request(.reserveLease(port: 9)) else { return }
    #expect(error.code == .notFound)
  }

  @Test func questionsGoToTheDNSPluginAndOwnedNamesDoNot() throws {
    let host = try RunningHost.running(Self.echo.get(), dns: Self.mirror.get())
    let query: [UInt8] =
      [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + [1, 97, 2, 98, 99, 0, 0, 16, 0, 1]
    let message = ResolveSpec(message: Base64Text.encode(query))
    guard case .resolved(let resolved) = try host.request(.resolve(message)) else {
      return #expect(Bool(false), "no answer")
    }
    #expect(resolved.message.hasPrefix("q82B"))
    #expect(try host.request(.networkChanged) == .ok)
    let dns = try #require(try host.status().dnsPlugin)
    #expect(dns["asked"]?.integer() == 1)
    #expect(dns["events"]?.integer() == 1)
    #expect(
      try host.request(.resolve(ResolveSpec(message: "no base 64")))
        == .failed(HostError(.invalidConfig, "the message is not in base 64")))
  }

  @Test func aGuestThatThePluginRefusesIsNotConnected() throws {
    let host = try RunningHost.running(Self.echo.get())
    let guest = try host.addGuest(1, name: "refused")
    defer { close(guest.fd) }
    #expect(
      guest.reply == .failed(HostError(.limit, "no address is left", plugin: "echo")))
    #expect(try host.status().ports.isEmpty)
    // It is closed with the turn of the loop, just after the reply.
    #expect(eventually { Sockets.send(guest.fd, testFrame, testFrame.count, 0) < 0 })
  }

  @Test func aGuestThatLeavesIsReportedAndTakenDown() throws {
    let host = try RunningHost.running(Self.echo.get())
    let guest = try host.addGuest(5, transport: .stream)
    close(guest.fd)
    guard case .event(.portGone(id: 5, _)) = try host.receive() else {
      return #expect(Bool(false), "no event")
    }
    let status = try host.wait { $0["down"]?.integer() == 1 }
    #expect(status["up"]?.integer() == 1)
    // Idempotent, even for one that never was.
    #expect(try host.request(.removePort(5)) == .ok)
    #expect(try host.request(.removePort(77)) == .ok)
  }

  @Test func unixgramGuestsComeByThemselves() throws {
    let host = try RunningHost.running(Self.echo.get())
    let folder = try Fixture.folder()
    let listener = try UnixSocket.listen(path: folder + "/net.sock", type: .datagram)
    #expect(try host.request(.addUnixgramListener(ListenerSpec(id: 3)), fds: [listener]) == .ok)
    close(listener)
    let guest = try UnixSocket.listen(path: folder + "/vm.sock", type: .datagram)
    defer { close(guest) }
    let connected = try UnixSocket.withAddress(folder + "/net.sock") {
      Sockets.connect(guest, $0, $1)
    }
    #expect(connected == 0)
    #expect(try exchange(guest, testFrame) == echoedFrame)
    guard
      case .event(.guestUp(let id, "vm.sock", listener: 3, let address)) = try host.receive()
    else {
      return #expect(Bool(false), "no event")
    }
    #expect(address == folder + "/vm.sock")
    #expect(id >= 1 << 32)
    #expect(try host.status().ports.map(\.kind) == ["unixgram"])
  }

  @Test func aCaptureHasTheFramesOfBothWays() throws {
    let host = try RunningHost.running(Self.echo.get())
    let guest = try host.addGuest(1)
    let pipe = try Descriptor.pipe()
    defer { for fd in [guest.fd, pipe.read] { close(fd) } }
    #expect(try host.request(.startCapture(CaptureSpec(id: 1)), fds: [pipe.write]) == .ok)
    close(pipe.write)
    _ = try exchange(guest.fd, testFrame)
    #expect(try host.request(.stopCapture(1)) == .ok)
    var captured: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = read(pipe.read, &buffer, buffer.count)
      guard count > 0 else { break }
      captured += buffer[..<count]
    }
    // The file's header, and two records of 16 bytes and a frame.
    #expect(captured.count == 24 + 2 * (16 + testFrame.count))
    guard case .failed(let error) = try host.request(.stopCapture(1)) else { return }
    #expect(error.code == .notFound)
  }
}

/// The encoder under test is the host's; this one is checked by its test.
enum Base64Text {
  static func encode(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    var index = 0
    while index < bytes.count {
      let group = Array(bytes[index..<min(index + 3, bytes.count)])
      let padded = group + Array(repeating: 0, count: 3 - group.count)
      let value = Int(padded[0]) << 16 | Int(padded[1]) << 8 | Int(padded[2])
      for digit in 0..<4 {
        text.append(digit <= group.count ? alphabet[value >> (18 - 6 * digit) & 63] : "=")
      }
      index += 3
    }
    return text
  }
}

// SPDX-License-Identifier: Apache-2.0

#if os(Linux)

  import LibC
  import Testing

  @testable import Platform

  @Suite(.timeLimit(.minutes(5))) struct NetlinkMessageTests {
    @Test func aRequestHasItsLengthAndPaddedAttributes() {
      var message = NetlinkMessage(.newLink, flags: .acknowledge, sequence: 7)
      message.appendAttribute(3, Array("eth0".utf8) + [0])
      message.appendAttribute(4, UInt32(1500))
      let reader = NetlinkReader(message.bytes[...])
      #expect(reader.integer(at: 0, as: UInt32.self) == 36)
      #expect(reader.integer(at: 4, as: UInt16.self) == 16)
      #expect(reader.integer(at: 6, as: UInt16.self) == 5)
      #expect(reader.integer(at: 8, as: UInt32.self) == 7)
      let attributes = reader.attributes(from: 16)
      #expect(attributes.map(\.type) == [3, 4])
      #expect(Array(attributes[0].payload) == Array("eth0".utf8) + [0])
    }

    @Test func attributesOfAnyBytesAreReadWithoutATrap() {
      var generator = SystemRandomNumberGenerator()
      for _ in 0..<5000 {
        let bytes = (0..<Int.random(in: 0...40)).map { _ in
          // Small numbers make plausible lengths.
          UInt8.random(in: 0...(Bool.random() ? 255 : 9), using: &generator)
        }
        let reader = NetlinkReader(bytes[...])
        for attribute in reader.attributes(from: Int.random(in: 0...20)) {
          #expect(attribute.payload.count <= bytes.count)
        }
      }
    }

    @Test(arguments: [
      ("192.168.5.15", 24, [192, 168, 5, 255] as [UInt8]?), ("10.1.2.3", 9, [10, 127, 255, 255]),
      ("10.0.0.1", 0, [255, 255, 255, 255]), ("10.0.0.0", 31, nil), ("fd00::15", 64, nil),
    ])
    func theBroadcastAddressIsTheLastOfItsNetwork(text: String, prefix: UInt8, broadcast: [UInt8]?)
      throws
    {
      let address = try #require(NetlinkAddress(text))
      #expect(Netlink.broadcast(of: address, prefixLength: prefix) == broadcast)
    }

    @Test(arguments: ["", "192.168.5", "192.168.5.256", "fd00::g", "host"])
    func whatIsNoAddressIsRefused(text: String) {
      #expect(NetlinkAddress(text) == nil)
    }
  }

  @Suite(
    .enabled(if: NamespaceThread.isPossible, "see the first lines of the output"),
    .timeLimit(.minutes(5)))
  struct NetlinkTests {
    @Test(.timeLimit(.minutes(1)))
    func anAddressThatComesOrGoesIsTold() throws {
      try NamespaceThread.run {
        let loop = try EventLoop()
        var changes = 0
        let watch = try AddressWatch(loop: loop) { changes += 1 }
        var netlink = try Netlink()
        let loopback = try netlink.link(named: "lo")
        let address = try #require(NetlinkAddress("192.0.2.5"))
        try netlink.addAddress(address, prefixLength: 32, index: loopback.index, name: "lo")
        for _ in 0..<1000 where changes == 0 { loop.turn(limit: 10_000_000) }
        #expect(changes > 0)
        watch.close()
        watch.close()
      }
    }

    @Test func anInterfaceGetsItsMTUQueueAddressAndRoute() throws {
      try NamespaceThread.run {
        let tap = try Tap.open(name: "eth0")
        defer { Descriptor.close(tap.fd) }
        var netlink = try Netlink()
        var link = try netlink.link(named: "eth0")
        #expect(!link.isUp)
        try netlink.setLink(
          index: link.index, name: "eth0", up: true, mtu: 65520, transmitQueueLength: 10_000)
        link = try netlink.link(named: "eth0")
        #expect(link.isUp)
        #expect(link.mtu == 65520)
        #expect(link.transmitQueueLength == 10_000)
        let address = try #require(NetlinkAddress("192.168.5.15"))
        let gateway = try #require(NetlinkAddress("192.168.5.2"))
        for _ in 1...2 {  // a second time changes nothing
          try netlink.addAddress(address, prefixLength: 24, index: link.index, name: "eth0")
          try netlink.setDefaultRoute(via: gateway, index: link.index, name: "eth0")
        }
        // A socket can be bound to the address, and has a way out.
        let socket = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { Descriptor.close(socket) }
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = UInt16(9).bigEndian
        peer.sin_addr.s_addr = UInt32(0x0102_0304).bigEndian
        let connected = withUnsafePointer(to: &peer) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
          }
        }
        #expect(connected == 0)
      }
    }

    @Test func theKernelsReasonIsPartOfTheError() throws {
      try NamespaceThread.run {
        var netlink = try Netlink()
        let loopback = try netlink.link(named: "lo")
        try netlink.setLink(index: loopback.index, name: "lo", up: true)
        let gateway = try #require(NetlinkAddress("10.9.8.7"))
        do throws(SystemError) {
          try netlink.setDefaultRoute(via: gateway, index: loopback.index, name: "lo")
          Issue.record("a gateway outside of every network was accepted")
        } catch {
          #expect(error.errno.rawValue == ENETUNREACH)
          #expect(error.description.contains("default via 10.9.8.7 on lo (kernel: "))
        }
      }
    }

    @Test func anInterfaceThatIsNotThereIsENODEV() throws {
      try NamespaceThread.run {
        var netlink = try Netlink()
        do throws(SystemError) {
          _ = try netlink.link(named: "nosuch0")
          Issue.record("found")
        } catch {
          #expect(error.errno.rawValue == ENODEV)
        }
        // The socket is good for more requests after a refusal.
        #expect(try netlink.link(named: "lo").index == 1)
      }
    }
  }

  @Suite(
    .enabled(if: NamespaceThread.isPossible, "see the first lines of the output"),
    .timeLimit(.minutes(5)))
  struct TapTests {
    @Test func aTapCarriesHeadersAndOffloads() throws {
      try NamespaceThread.run {
        let tap = try Tap.open(name: "tap%d")
        defer { Descriptor.close(tap.fd) }
        #expect(tap.name == "tap0")
        #expect(tap.vnetHeader)
        #expect(tap.offloads & 0x07 == 0x07)
        #expect(fcntl(tap.fd, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(tap.fd, F_GETFL) & O_NONBLOCK != 0)
      }
    }

    @Test func theHardwareAddressCanBeChosen() throws {
      try NamespaceThread.run {
        let tap = try Tap.open(name: "eth0")
        defer { Descriptor.close(tap.fd) }
        try tap.setMACAddress([0x52, 0x55, 0x55, 0x12, 0x34, 0x0a])
        #expect(try tap.macAddress() == "52:55:55:12:34:0a")
        var netlink = try Netlink()
        #expect(try netlink.link(named: "eth0").mac == [0x52, 0x55, 0x55, 0x12, 0x34, 0x0a])
      }
    }

    @Test func aNameThatIsTakenIsBusy() throws {
      try NamespaceThread.run {
        let tap = try Tap.open(name: "eth0")
        defer { Descriptor.close(tap.fd) }
        do throws(SystemError) {
          _ = try Tap.open(name: "eth0")
          Issue.record("opened twice")
        } catch {
          #expect(error.call == "TUNSETIFF")
          #expect(error.errno.rawValue == EBUSY)
        }
      }
    }
  }

  @Suite(.timeLimit(.minutes(5))) struct TapErrorTests {
    @Test func aMissingDeviceFileIsNamed() {
      do throws(SystemError) {
        _ = try Tap.open(name: "eth0", device: "/dev/net/no-such-device")
        Issue.record("opened")
      } catch {
        #expect(error.call == "open")
        #expect(error.subject == "/dev/net/no-such-device")
        #expect(error.errno == .noSuchFile)
      }
    }

    @Test(arguments: ["", "a-name-that-is-too-long"])
    func aNameTheKernelHasNoRoomForIsRefused(name: String) {
      do throws(SystemError) {
        _ = try Tap.open(name: name, device: "/dev/null")
        Issue.record("opened")
      } catch {
        #expect(error.errno == .invalidArgument)
      }
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0
//
// Addresses as text and as networks.

import TestSupport
import Testing

@testable import Wire

@Suite("Addresses", .timeLimit(.minutes(5)))
struct AddressTests {
  @Test(
    "text is read, and written as RFC 5952 wants it",
    arguments: [
      ("192.168.5.2", "192.168.5.2"), ("0.0.0.0", "0.0.0.0"),
      ("255.255.255.255", "255.255.255.255"), ("::ffff:192.168.5.2", "192.168.5.2"),
      ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("fd00::2", "fd00::2"),
      // §4.1, §4.2.1 and §4.3: no leading zeros, as short as can be, lower case
      ("2001:0DB8:0000:0000:0000:0000:0002:0001", "2001:db8::2:1"),
      // §4.2.2: no :: for one group
      ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
      ("2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
      // §4.2.3: the longest run, the first of equals
      ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
      ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
      ("64:ff9b::1.2.3.4", "64:ff9b::102:304"), ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
    ])
  func text(read: String, written: String) throws {
    let address = try #require(IPAddress(read))
    #expect(address.description == written)
    #expect(IPAddress(written) == address)
  }

  @Test(
    "what is no address is refused",
    arguments: [
      "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.04", "1..2.3", ".1.2.3",
      "1.2.3.", "1.2.3.4 ", " 1.2.3.4", "1.2.3.a", "-1.2.3.4", "1.2.3.4/24",
      ":", ":::", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::",
      "g::", "::1.2.3", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "fe80::1%eth0",
      "1:2:3:4::5:6:7:8", "::1:2:3:4:5:6:7:8", String(repeating: "1", count: 5000),
    ])
  func notAnAddress(text: String) { #expect(IPAddress(text) == nil) }

  @Test("any address survives being written and read")
  func roundTrip() {
    var random = SeededGenerator(seed: 40)
    for _ in 0..<5000 {
      // With groups of zeros, as real addresses have them.
      let mask = UInt64.random(in: 0...15, using: &random)
      func groups(_ value: UInt64) -> UInt64 {
        (0..<4).reduce(0) { $0 | (mask >> $1 & 1 != 0 ? value & (0xffff << ($1 * 16)) : 0) }
      }
      let address = IPAddress(high: groups(random.next()), low: groups(random.next()))
      #expect(IPAddress(address.description) == address)
      let v4 = random.v4()
      #expect(IPAddress(v4.description) == v4)
      let mac = random.mac()
      #expect(MACAddress(mac.description) == mac)
      #expect(MACAddress(bytes: mac.bytes) == mac)
    }
  }

  @Test("the kinds of addresses are told apart")
  func kinds() throws {
    #expect(IPAddress(127, 1, 2, 3).isLoopback && IPAddress.loopbackV6.isLoopback)
    #expect(IPAddress(224, 0, 0, 1).isMulticast && IPAddress(239, 255, 0, 1).isMulticast)
    #expect(try #require(IPAddress("ff02::1")).isMulticast)
    #expect(IPAddress(169, 254, 1, 1).isLinkLocal)
    #expect(try #require(IPAddress("fe80::1")).isLinkLocal)
    #expect(try #require(IPAddress("febf::1")).isLinkLocal)
    #expect(!(try #require(IPAddress("fec0::1")).isLinkLocal))
    #expect(IPAddress(240, 0, 0, 1).isReserved && IPAddress(0, 1, 2, 3).isReserved)
    #expect(IPAddress(10, 0, 0, 1).isUnicast && !IPAddress.broadcastV4.isUnicast)
    #expect(IPAddress.anyV4.isUnspecified && IPAddress.anyV6.isUnspecified)
    #expect(!IPAddress.loopbackV6.isV4 && IPAddress.anyV4.isV4 && !IPAddress.anyV6.isV4)
    #expect(MACAddress.broadcast.isMulticast && !MACAddress.zero.isUnicast)
  }

  @Test("a network contains its own addresses and no others")
  func networks() throws {
    let net = try #require(CIDR("192.168.5.2/24"))
    #expect(net.network == IPAddress(192, 168, 5, 0))
    #expect(net.broadcast == IPAddress(192, 168, 5, 255))
    #expect(net.netmask == 0xffff_ff00)
    #expect(net.contains(IPAddress(192, 168, 5, 255)) && !net.contains(IPAddress(192, 168, 6, 0)))
    #expect(net.description == "192.168.5.2/24")
    let all = try #require(CIDR("0.0.0.0/0"))
    #expect(all.netmask == 0 && all.contains(.broadcastV4) && !all.contains(.loopbackV6))
    let all6 = try #require(CIDR("::/0"))
    #expect(all6.contains(.loopbackV6) && !all6.contains(.loopbackV4))
    let host = try #require(CIDR("fd00::1/128"))
    #expect(host.contains(host.address) && host.broadcast == host.address)
    let half = try #require(CIDR("fd00:1:2:3:4:5:6:7/64"))
    #expect(half.network.description == "fd00:1:2:3::")
    for text in ["1.2.3.4", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/+1", "/8"] {
      #expect(CIDR(text) == nil)
    }
  }

  @Test("endpoints are written as URLs write them, and read back")
  func endpoints() throws {
    for text in ["192.168.5.15:22", "[fd00::2]:65535", "0.0.0.0:0"] {
      #expect(try #require(Endpoint(text)).description == text)
    }
    for text in [
      "1.2.3.4", "1.2.3.4:65536", "fd00::2:80", "[1.2.3.4]:80", "[::1]", ":80", "1.2.3.4:",
    ] {
      #expect(Endpoint(text) == nil)
    }
  }

  @Test("a hardware address is six pairs of digits")
  func macAddresses() throws {
    let mac = try #require(MACAddress("52:55:55:12:34:aB"))
    #expect(mac.description == "52:55:55:12:34:ab")
    #expect(MACAddress("52-55-55-12-34-ab") == mac)
    for text in ["", "52:55:55:12:34", "52:55:55:12:34:5g", "52-55:55:12:34:ab", "525555123456"] {
      #expect(MACAddress(text) == nil)
    }
  }
}

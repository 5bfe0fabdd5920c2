// SPDX-License-Identifier: Apache-2.0
//
// Messages of Neighbor Discovery: what RFC 4861 and RFC 8106 say of each, and any bytes at all.

import TestSupport
import Testing

@testable import Wire

@Suite("Neighbor discovery messages", .timeLimit(.minutes(5)))
struct NDPTests {
  private static let target = IPAddress("fd00::15") ?? .anyV6
  private static let guest = IPAddress("fe80::1") ?? .anyV6
  private static let mac = MACAddress(0x52, 0x55, 0x55, 1, 2, 3)

  private enum Kind: String, CaseIterable {
    case routerSolicitation, routerAdvertisement, solicitation, advertisement
  }

  private struct Case: CustomStringConvertible, Sendable {
    var section: String
    var kind: String
    var source = NDPTests.guest
    var destination = IPAddress.allNodes
    var hopLimit: UInt8 = 255
    var bytes: [UInt8]
    var isValid: Bool
    var description: String { "\(section): \(kind), \(isValid ? "believed" : "discarded")" }

    var isBelieved: Bool {
      let envelope = NDPEnvelope(source: source, destination: destination, hopLimit: hopLimit)
      return bytes.withByteView { view in
        switch kind {
        case "RS": RouterSolicitation(checking: view, envelope) != nil
        case "RA": RouterAdvertisement(checking: view, envelope) != nil
        case "NS": NeighborSolicitation(checking: view, envelope) != nil
        default: NeighborAdvertisement(checking: view, envelope) != nil
        }
      }
    }
  }

  private static func message(_ type: UInt8, code: UInt8 = 0, _ rest: [UInt8]) -> [UInt8] {
    [type, code, 0, 0] + rest
  }

  private static func neighbor(
    _ type: UInt8, _ target: IPAddress = target, flags: UInt8 = 0, options: [UInt8] = []
  ) -> [UInt8] {
    message(
      type,
      [flags, 0, 0, 0]
        + [UInt8](capacity: 16) { out in
          out.storeV6(target, at: 0)
          return 16
        } + options)
  }

  private static let sourceOption: [UInt8] = [1, 1, 0x52, 0x55, 0x55, 1, 2, 3]
  private static let router: [UInt8] = message(
    134, [64, 0x40, 7, 8] + [UInt8](repeating: 0, count: 8))
  private static let solicited = target.solicitedNode

  private static let cases: [Case] = [
    Case(
      section: "RFC 4861 §6.1.1 whole", kind: "RS", bytes: message(133, [0, 0, 0, 0]), isValid: true
    ),
    Case(
      section: "RFC 4861 §6.1.1 hop limit", kind: "RS", hopLimit: 254,
      bytes: message(133, [0, 0, 0, 0]), isValid: false),
    Case(
      section: "RFC 4861 §6.1.1 code", kind: "RS", bytes: message(133, code: 1, [0, 0, 0, 0]),
      isValid: false),
    Case(
      section: "RFC 4861 §6.1.1 length", kind: "RS", bytes: message(133, [0, 0, 0]), isValid: false),
    Case(
      section: "RFC 4861 §6.1.1 option length 0", kind: "RS",
      bytes: message(133, [0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0]), isValid: false),
    Case(
      section: "RFC 4861 §6.1.1 option beyond the end", kind: "RS",
      bytes: message(133, [0, 0, 0, 0, 14, 2, 0, 0, 0, 0, 0, 0]), isValid: false),
    Case(
      section: "RFC 4861 §6.1.1 unspecified source", kind: "RS", source: .anyV6,
      bytes: message(133, [0, 0, 0, 0]), isValid: true),
    Case(
      section: "RFC 4861 §6.1.1 unspecified source with link-layer address", kind: "RS",
      source: .anyV6, bytes: message(133, [0, 0, 0, 0] + sourceOption), isValid: false),
    Case(section: "RFC 4861 §6.1.2 whole", kind: "RA", bytes: router, isValid: true),
    Case(
      section: "RFC 4861 §6.1.2 link-local source", kind: "RA", source: target, bytes: router,
      isValid: false),
    Case(
      section: "RFC 4861 §6.1.2 length", kind: "RA", bytes: Array(router.dropLast()), isValid: false
    ),
    Case(
      section: "RFC 4861 §7.1.1 whole", kind: "NS", destination: solicited,
      bytes: neighbor(135, options: sourceOption), isValid: true),
    Case(
      section: "RFC 4861 §7.1.1 length", kind: "NS", destination: solicited,
      bytes: Array(neighbor(135).dropLast()), isValid: false),
    Case(
      section: "RFC 4861 §7.1.1 multicast target", kind: "NS", destination: solicited,
      bytes: neighbor(135, .allNodes), isValid: false),
    Case(
      section: "RFC 4291 §2.5.5.2 IPv4-mapped target", kind: "NS", destination: solicited,
      bytes: neighbor(135, IPAddress(192, 168, 5, 2)), isValid: false),
    Case(
      section: "RFC 4861 §7.1.1 probe", kind: "NS", source: .anyV6, destination: solicited,
      bytes: neighbor(135), isValid: true),
    Case(
      section: "RFC 7527 §4.1 probe with a nonce", kind: "NS", source: .anyV6,
      destination: solicited, bytes: neighbor(135, options: [14, 1, 1, 2, 3, 4, 5, 6]),
      isValid: true),
    Case(
      section: "RFC 4861 §7.1.1 probe to another group", kind: "NS", source: .anyV6,
      bytes: neighbor(135), isValid: false),
    Case(
      section: "RFC 4861 §7.1.1 probe with link-layer address", kind: "NS", source: .anyV6,
      destination: solicited, bytes: neighbor(135, options: sourceOption), isValid: false),
    Case(
      section: "RFC 4861 §7.1.2 whole", kind: "NA", bytes: neighbor(136, flags: 0x20), isValid: true
    ),
    Case(
      section: "RFC 4861 §7.1.2 solicited to a group", kind: "NA",
      bytes: neighbor(136, flags: 0x60), isValid: false),
    Case(
      section: "RFC 4861 §7.1.2 solicited to one", kind: "NA", destination: target,
      bytes: neighbor(136, flags: 0x60), isValid: true),
    Case(
      section: "RFC 4861 §7.1.2 hop limit", kind: "NA", hopLimit: 64, bytes: neighbor(136),
      isValid: false),
    Case(
      section: "RFC 4861 §7.1.2 multicast target", kind: "NA", bytes: neighbor(136, .allNodes),
      isValid: false),
  ]

  @Test("each check of RFC 4861 is made", arguments: cases.indices)
  func checks(_ index: Int) {
    let item = Self.cases[index]
    #expect(item.isBelieved == item.isValid, "\(item)")
  }

  @Test("what is sent is what its reader finds (RFC 4861 §4.2 to §4.4)")
  func roundTrip() throws {
    func whole(_ message: NDPMessage) -> [UInt8] {
      message.payload.withByteView { payload in
        [UInt8](capacity: 8 + payload.count) { out in
          out.store(payload, at: 8)
          message.header.emit(
            into: out, payload: payload, source: Self.guest, destination: Self.target)
          return 8 + payload.count
        }
      }
    }
    let envelope = NDPEnvelope(source: Self.guest, destination: Self.target, hopLimit: 255)
    try whole(.solicitation(of: Self.target, from: Self.mac)).withByteView { bytes in
      let message = try #require(NeighborSolicitation(checking: bytes, envelope))
      #expect(message.target == Self.target && message.sender == Self.mac && !message.isProbe)
    }
    try whole(.advertisement(of: Self.target, at: Self.mac, isSolicited: true)).withByteView {
      let message = try #require(NeighborAdvertisement(checking: $0, envelope))
      #expect(message.target == Self.target && message.targetMAC == Self.mac)
      #expect(message.isRouter && message.isSolicited && message.isOverride)
    }
    let router = NDPMessage.routerAdvertisement(
      hopLimit: 64, isManaged: false, hasOther: true, lifetime: 1800, options: NDPOptionBytes())
    try whole(router).withByteView { bytes in
      let message = try #require(RouterAdvertisement(checking: bytes, envelope))
      #expect(message.lifetime == 1800 && message.hopLimit == 64)
      #expect(message.hasOther && !message.isManaged)
    }
  }

  @Test("options have the bytes of RFC 4861 §4.6 and RFC 8106 §5")
  func options() throws {
    var options = NDPOptionBytes()
    options.addLinkLayer(NDPOptionType.sourceLinkLayer, Self.mac)
    #expect(options.bytes == Self.sourceOption)
    options = NDPOptionBytes()
    let prefix = try #require(CIDR("fd00:1::/64"))
    options.addPrefix(prefix, isOnLink: true, isAutonomous: true, valid: 5400, preferred: 2700)
    #expect(
      options.bytes == [3, 4, 64, 0xc0, 0, 0, 0x15, 0x18, 0, 0, 0x0a, 0x8c, 0, 0, 0, 0]
        + [0xfd, 0, 0, 1] + [UInt8](repeating: 0, count: 12))
    options = NDPOptionBytes()
    options.addMTU(1500)
    #expect(options.bytes == [5, 1, 0, 0, 0, 0, 5, 0xdc])
    options = NDPOptionBytes()
    options.addRecursiveDNS([Self.target], lifetime: 1800)
    #expect(
      options.bytes == [25, 3, 0, 0, 0, 0, 7, 8, 0xfd] + [UInt8](repeating: 0, count: 14) + [0x15])
    options = NDPOptionBytes()
    options.addSearchList([[3, 0x6c, 0x61, 0x6e, 0]], lifetime: 1800)
    #expect(options.bytes == [31, 2, 0, 0, 0, 0, 7, 8, 3, 0x6c, 0x61, 0x6e, 0, 0, 0, 0])
    options = NDPOptionBytes()
    options.addRecursiveDNS([], lifetime: 1800)
    options.addSearchList([], lifetime: 1800)
    #expect(options.bytes.isEmpty)
    options.addSearchList(
      (0..<100).map { _ in [63] + [UInt8](repeating: 0x61, count: 63) + [0] }, lifetime: 1)
    #expect(options.bytes.count <= 255 * 8 && options.bytes.count == Int(options.bytes[1]) * 8)
  }

  @Test("no bytes at all make a reader read outside them")
  func anyBytes() {
    var random = SeededGenerator(seed: 41)
    for _ in 0..<20000 {
      var bytes = random.bytes(Int.random(in: 0...96, using: &random))
      // Plausible ones go further.
      for offset in stride(from: 24, to: bytes.count, by: 8) where Bool.random(using: &random) {
        bytes[offset] = UInt8.random(in: 0...31, using: &random)
        if offset + 1 < bytes.count { bytes[offset + 1] = UInt8.random(in: 0...3, using: &random) }
      }
      let envelope = NDPEnvelope(
        source: Bool.random(using: &random) ? .anyV6 : Self.guest, destination: Self.solicited,
        hopLimit: 255)
      bytes.withByteView { view in
        _ = RouterSolicitation(checking: view, envelope)?.options.linkLayer(1)
        _ = RouterAdvertisement(checking: view, envelope)?.options.first(25)
        _ = NeighborSolicitation(checking: view, envelope)?.sender
        _ = NeighborAdvertisement(checking: view, envelope)?.targetMAC
      }
    }
  }
}

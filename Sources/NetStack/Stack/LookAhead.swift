// SPDX-License-Identifier: Apache-2.0
//
// Prefetches the state that the frames of a batch will need.
//
// With thousands of flows, the state of a packet's flow is not in the nearest CPU caches, and looking it up waits for
// one cache line after the other: place in the table, key, state. Here the waits of several frames of a batch
// overlap, and the result of each look-up is passed on as a guess, so that it is not repeated. The user of a guess
// checks it; correctness does not depend on it. With few flows there is no gain. Loop thread only.

import CPlatform
import Wire

/// See the head of this file.
struct LookAhead: ~Copyable {
  /// Frames per group: about the number of cache lines that a core fetches at a time.
  static let width = 16
  /// With fewer flows of an engine all of them are cached.
  private static let fewFlows = 64
  private static let line = 64

  /// For each frame of the group the most likely slot; 0: unknown.
  let guesses: UnsafeMutablePointer<UInt32>

  init() {
    guesses = .allocate(capacity: Self.width)
    guesses.initialize(repeating: 0, count: Self.width)
  }

  deinit { guesses.deallocate() }

  /// Whether it is worth its cost.
  @inline(__always)
  static func pays(_ tcp: TCPEngine, _ udp: UDPEngine) -> Bool {
    tcp.table.count >= fewFlows || udp.peerTable.count >= fewFlows
  }

  /// Prefetches for `count` frames, at most `width`.
  func look(
    at frames: UnsafePointer<Frame>, _ count: Int, on link: UInt32, _ tcp: TCPEngine,
    _ udp: UDPEngine
  ) {
    for index in 0..<count {
      guard let key = Self.key(of: frames + index, on: link) else {
        guesses[index] = 0
        continue
      }
      guesses[index] =
        Self.isTCP(frames + index) ? tcp.table.prepare(key) : udp.peerTable.prepare(key)
    }
    for index in 0..<count where guesses[index] != 0 {
      if Self.isTCP(frames + index) {
        guesses[index] = tcp.table.guess(guesses[index])
        Self.fetch(tcp.flows.pointer(guesses[index]), lines: 3)
      } else {
        guesses[index] = udp.peerTable.guess(guesses[index])
        Self.fetch(udp.peers.pointer(guesses[index]), lines: 2)
      }
    }
    guard udp.peerTable.count >= Self.fewFlows else { return }
    for index in 0..<count where guesses[index] != 0 && !Self.isTCP(frames + index) {
      let flow = udp.peers.pointer(guesses[index]).pointee.flow
      Self.fetch(udp.flows.pointer(flow), lines: 3)
    }
  }

  /// Prefetches the flows of the events, the first `width` of them.
  @inline(__always)
  static func look(
    at events: UnsafePointer<FDEvent>, _ count: Int, _ tcp: TCPEngine, _ udp: UDPEngine
  ) {
    for index in 0..<min(count, width) {
      let token = EventToken(rawValue: events[index].token)
      switch token.kind {
      case .tcp: fetch(tcp.flows.baseAddress + Int(token.index), lines: 3)
      case .udp: fetch(udp.flows.baseAddress + Int(token.index), lines: 3)
      default: break
      }
    }
  }

  /// For a frame that has a key.
  @inline(__always)
  private static func isTCP(_ frame: UnsafePointer<Frame>) -> Bool {
    let data = frame.pointee.data.unsafelyUnwrapped
    // The version is the upper half of the packet's first byte.
    let place = data[ip] >> 4 == 4 ? ip + IPv4Field.protocolNumber : ip + IPv6Field.nextHeader
    return data[place] == IPProtocol.tcp
  }

  // Offsets in a frame whose packet has no options or extension headers.
  private static let ip = EthernetHeader.encodedLength
  private static let transport = ip + IPv4Header.encodedLength
  private static let shortest = transport + UDPHeader.encodedLength
  private static let transportV6 = ip + IPv6Header.encodedLength
  private static let shortestV6 = transportV6 + UDPHeader.encodedLength

  /// The key of a frame as the engines form it, in the simple cases; else nil.
  @inline(__always)
  private static func key(of frame: UnsafePointer<Frame>, on link: UInt32) -> FlowKey? {
    guard let data = frame.pointee.data, frame.pointee.length >= shortest,
      !frame.pointee.flags.contains(.slices)
    else { return nil }
    let bytes = ByteView(data, count: shortest)
    let etherType = bytes.uint16(at: EthernetField.etherType)
    if etherType == EtherType.ipv6, frame.pointee.length >= shortestV6 {
      return keyV6(ByteView(data, count: shortestV6), on: link)
    }
    guard etherType == EtherType.ipv4,
      bytes[ip + IPv4Field.versionAndLength] == IPv4Header.versionAndLength
    else { return nil }
    let proto = bytes[ip + IPv4Field.protocolNumber]
    guard proto == IPProtocol.tcp || proto == IPProtocol.udp else { return nil }
    // TCP and UDP have their ports at the same offset.
    return FlowKey(
      link: link, proto: proto, guest: bytes.ipv4Address(at: ip + IPv4Field.source),
      guestPort: bytes.uint16(at: transport + UDPField.sourcePort),
      remote: bytes.ipv4Address(at: ip + IPv4Field.destination),
      remotePort: bytes.uint16(at: transport + UDPField.destinationPort))
  }

  @inline(__always)
  private static func keyV6(_ bytes: ByteView, on link: UInt32) -> FlowKey? {
    let proto = bytes[ip + IPv6Field.nextHeader]
    guard bytes[ip] >> 4 == 6, proto == IPProtocol.tcp || proto == IPProtocol.udp else {
      return nil
    }
    return FlowKey(
      link: link, proto: proto, guest: bytes.ipv6Address(at: ip + IPv6Field.source),
      guestPort: bytes.uint16(at: transportV6 + UDPField.sourcePort),
      remote: bytes.ipv6Address(at: ip + IPv6Field.destination),
      remotePort: bytes.uint16(at: transportV6 + UDPField.destinationPort))
  }

  @inline(__always)
  private static func fetch<Element>(_ element: UnsafePointer<Element>, lines: Int) {
    let base = UnsafeRawPointer(element)
    for index in 0..<lines { plat_prefetch(base + index &* line) }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Fetches what the frames of a batch will need before it is needed.
//
// With thousands of flows the state of the next packet's is not in the processor's nearest caches,
// and looking it up waits for one line of memory after the other: place in the table, key, state.
// Frames come in batches: here the waits of several frames overlap, and what each lookup found is
// handed on as a guess, so that it is not done twice. A guess is checked by whoever takes it;
// nothing here is relied upon. With few flows there is nothing to win. Loop thread only.

import CPlatform
import Wire

/// See the head of this file.
struct LookAhead: ~Copyable {
  /// Frames at a time: what a core has under way at once is about as many lines.
  static let width = 16
  /// Below so many flows of an engine all of them are near.
  private static let fewFlows = 64
  private static let line = 64

  /// For each frame of the group the slot it is most likely for; 0 for none.
  let guesses: UnsafeMutablePointer<UInt32>

  init() {
    guesses = .allocate(capacity: Self.width)
    guesses.initialize(repeating: 0, count: Self.width)
  }

  deinit { guesses.deallocate() }

  /// Whether it is worth its time.
  @inline(__always)
  static func pays(_ tcp: TCPEngine, _ udp: UDPEngine) -> Bool {
    tcp.table.count >= fewFlows || udp.peerTable.count >= fewFlows
  }

  /// Looks at `count` frames, at most `width`.
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

  /// Fetches the flows that events are for, the first `width` of them.
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

  /// Of a frame that has a key.
  @inline(__always)
  private static func isTCP(_ frame: UnsafePointer<Frame>) -> Bool {
    let data = frame.pointee.data.unsafelyUnwrapped
    // The version is the first half of the packet's first byte.
    let place = data[ip] >> 4 == 4 ? ip + IPv4Field.protocolNumber : ip + IPv6Field.nextHeader
    return data[place] == IPProtocol.tcp
  }

  // Places in a frame with a packet without options or extension headers.
  private static let ip = EthernetHeader.encodedLength
  private static let transport = ip + IPv4Header.encodedLength
  private static let shortest = transport + UDPHeader.encodedLength
  private static let transportV6 = ip + IPv6Header.encodedLength
  private static let shortestV6 = transportV6 + UDPHeader.encodedLength

  /// The key of a frame as the engines will make it, where that is easy to see; else nil.
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
    // The ports of TCP and UDP are in the same place.
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

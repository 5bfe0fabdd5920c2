// SPDX-License-Identifier: Apache-2.0
//
// A guest that speaks just enough of each protocol: makes frames, takes those it is sent
// apart. Fragments are put together; every checksum is verified.

import NetStack
import PluginAPI
import Wire

/// See the head of this file.
final class TestGuest {
  struct Datagram: Equatable {
    var source: Endpoint
    var port: UInt16
    var payload: [UInt8]
  }

  struct Message: Equatable {
    var source: IPAddress
    var header: ICMPHeader
    var payload: [UInt8]
  }

  struct Segment: Equatable {
    var source: Endpoint
    var header: TCPHeader
    var payload: [UInt8]
  }

  let host: TestHost
  let port: lnd_port
  let mac: MACAddress
  var address = IPAddress(192, 168, 5, 15)
  let gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)

  var datagrams: [Datagram] = []
  var messages: [Message] = []
  var segments: [Segment] = []
  var arps: [ARPHeader] = []
  var dhcp: [DHCPMessage] = []
  /// Frames that make no sense.
  var malformed = 0
  private var parts: [UInt16: [(offset: Int, more: Bool, bytes: [UInt8])]] = [:]

  static let gateway = IPAddress(192, 168, 5, 2)
  static let dns = IPAddress(192, 168, 5, 3)

  init(_ host: TestHost, port: lnd_port = 7, name: String = "vm", mtu: UInt32 = 1500) {
    self.host = host
    self.port = port
    mac = MACAddress(0x52_55_55_00_00_00 | port)
    host.portUp(port, name: name, mtu: mtu)
  }

  // MARK: Sending

  func frame(_ type: UInt16, to destination: MACAddress, _ payload: [UInt8]) -> [UInt8] {
    [UInt8](capacity: 14 + payload.count) { out in
      EthernetHeader(destination: destination, source: mac, etherType: type).emit(into: out)
      payload.withByteView { out.store($0, at: 14) }
      return 14 + payload.count
    }
  }

  func ip(
    _ proto: UInt8, to destination: IPAddress, _ payload: [UInt8], ttl: UInt8 = 64,
    from source: IPAddress? = nil, mac: MACAddress? = nil
  ) -> [UInt8] {
    let packet = [UInt8](capacity: 20 + payload.count) { out in
      IPv4Header(
        source: source ?? address, destination: destination, protocolNumber: proto,
        payloadLength: payload.count, dontFragment: true, timeToLive: ttl
      ).emit(into: out)
      payload.withByteView { out.store($0, at: 20) }
      return 20 + payload.count
    }
    return frame(EtherType.ipv4, to: mac ?? gatewayMAC, packet)
  }

  func udp(
    from port: UInt16, to remote: Endpoint, _ payload: [UInt8], ttl: UInt8 = 64
  ) -> [UInt8] {
    let datagram = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { payload in
        out.store(payload, at: 8)
        return UDPHeader(
          sourcePort: port, destinationPort: remote.port, payloadLength: payload.count
        ).emit(into: out, payload: payload, source: address, destination: remote.address)
          + payload.count
      }
    }
    return ip(IPProtocol.udp, to: remote.address, datagram, ttl: ttl)
  }

  func send(_ frames: [UInt8]...) { host.rx(port, frames) }

  func sendUDP(from port: UInt16, to remote: Endpoint, _ payload: [UInt8], ttl: UInt8 = 64) {
    send(udp(from: port, to: remote, payload, ttl: ttl))
  }

  func ping(
    _ destination: IPAddress, id: UInt16, sequence: UInt16, _ payload: [UInt8], ttl: UInt8 = 64
  ) {
    let message = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { payload in
        out.store(payload, at: 8)
        ICMPHeader(type: ICMPv4Type.echoRequest, identifier: id, sequence: sequence)
          .emit(into: out, payload: payload)
        return 8 + payload.count
      }
    }
    send(ip(IPProtocol.icmp, to: destination, message, ttl: ttl))
  }

  func arp(_ target: IPAddress) {
    let header = ARPHeader(
      operation: ARPHeader.request, senderMAC: mac, senderIP: address, targetMAC: .zero,
      targetIP: target)
    let packet = [UInt8](capacity: ARPHeader.encodedLength) { header.emit(into: $0) }
    send(frame(EtherType.arp, to: .broadcast, packet))
  }

  func sendTCP(_ header: TCPHeader, to destination: IPAddress, _ payload: [UInt8] = []) {
    let length = header.encodedLength
    let segment = [UInt8](capacity: length + payload.count) { out in
      payload.withByteView { payload in
        out.store(payload, at: length)
        header.emit(into: out, payload: payload, source: address, destination: destination)
        return length + payload.count
      }
    }
    send(ip(IPProtocol.tcp, to: destination, segment))
  }

  func dhcp(_ type: DHCPMessageType, id: UInt32, _ edit: (inout DHCPMessage) -> Void = { _ in }) {
    var message = DHCPMessage(operation: .request, transactionID: id, hardwareAddress: mac)
    message.options[DHCPOptionCode.messageType] = [type.rawValue]
    edit(&message)
    let bytes = [UInt8](capacity: message.encodedLength) { message.emit(into: $0) }
    let saved = address
    address = .anyV4
    let datagram = udp(from: 68, to: Endpoint(.broadcastV4, port: 67), bytes)
    address = saved
    var frame = datagram
    frame.replaceSubrange(0..<6, with: [UInt8](repeating: 0xff, count: 6))
    send(frame)
  }

  // MARK: Receiving

  /// Takes in what the plugin has sent since.
  func collect() {
    for frame in host.sent.removeValue(forKey: port) ?? [] {
      frame.withByteView { if !take($0) { malformed += 1 } }
    }
  }

  /// Runs the loop until `condition` holds for what has come in.
  func wait(_ what: String, seconds: Double = 5, until condition: () -> Bool) throws {
    try host.run(what, seconds: seconds) {
      collect()
      return condition()
    }
  }

  private func take(_ bytes: ByteView) -> Bool {
    guard let ethernet = EthernetPacket(checking: bytes),
      ethernet.destination == mac || ethernet.destination == .broadcast,
      ethernet.source == gatewayMAC
    else { return false }
    switch ethernet.etherType {
    case EtherType.arp:
      guard let packet = ARPPacket(checking: ethernet.payload) else { return false }
      let header = ARPHeader(packet)
      arps.append(header)
      if header.operation == ARPHeader.request, header.targetIP == address { answer(header) }
      return true
    case EtherType.ipv4:
      guard let packet = IPv4Packet(checking: ethernet.payload), packet.isHeaderChecksumValid
      else { return false }
      if packet.isFragment { return take(fragment: packet) }
      return take(
        packet.protocolNumber, packet.payload, from: packet.source, to: packet.destination)
    default: return false
    }
  }

  private func answer(_ request: ARPHeader) {
    let reply = request.reply(from: mac)
    let packet = [UInt8](capacity: ARPHeader.encodedLength) { reply.emit(into: $0) }
    send(frame(EtherType.arp, to: request.senderMAC, packet))
  }

  private func take(fragment packet: IPv4Packet) -> Bool {
    parts[packet.identification, default: []].append(
      (packet.fragmentOffset, packet.moreFragments, packet.payload.bytes))
    let list = (parts[packet.identification] ?? []).sorted { $0.offset < $1.offset }
    var whole: [UInt8] = []
    for part in list {
      guard part.offset == whole.count else { return true }
      whole += part.bytes
    }
    guard list.last?.more == false else { return true }
    parts[packet.identification] = nil
    return whole.withByteView {
      take(packet.protocolNumber, $0, from: packet.source, to: packet.destination)
    }
  }

  private func take(
    _ proto: UInt8, _ payload: ByteView, from source: IPAddress, to destination: IPAddress
  ) -> Bool {
    switch proto {
    case IPProtocol.udp:
      guard let udp = UDPPacket(checking: payload),
        udp.isChecksumValid(source: source, destination: destination)
      else { return false }
      if udp.destinationPort == 68 {
        guard let message = DHCPMessage(checking: udp.payload) else { return false }
        dhcp.append(message)
        return true
      }
      datagrams.append(
        Datagram(
          source: Endpoint(source, port: udp.sourcePort), port: udp.destinationPort,
          payload: udp.payload.bytes))
    case IPProtocol.icmp:
      guard let icmp = ICMPv4Packet(checking: payload), icmp.isChecksumValid else { return false }
      messages.append(
        Message(source: source, header: ICMPHeader(icmp), payload: icmp.payload.bytes))
    case IPProtocol.tcp:
      guard let tcp = TCPPacket(checking: payload) else { return false }
      segments.append(
        Segment(
          source: Endpoint(source, port: tcp.sourcePort), header: TCPHeader(tcp),
          payload: tcp.payload.bytes))
    default: return false
    }
    return true
  }
}

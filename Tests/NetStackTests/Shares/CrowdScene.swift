// SPDX-License-Identifier: Apache-2.0
//
// A stack with many guests, isolated or on one switch.

import Wire

@testable import NetStack

/// Guests have numbers: guest n of an isolated network is on port n and has the address that all have; on a switch it is
/// the station whose address ends in n.
final class CrowdScene {
  static let gateway = IPAddress(192, 168, 5, 2)
  static let dns = IPAddress(192, 168, 5, 3)
  static let server = Endpoint(IPAddress(10, 1, 2, 3), port: 80)
  private static let switchPort: PortID = 99

  let host = FakeHost()
  let kernel = FakeKernel()
  let datagrams = DatagramKernel()
  let stack: Stack
  let isSwitched: Bool
  /// By the guest's port number: the sequence number that `accept` has acknowledged.
  private var accepted: [UInt16: UInt32] = [:]

  /// - Parameter datagrams: sockets are those of the datagram kernel.
  init(
    guests: Int, isSwitched: Bool = false, datagrams: Bool = false,
    configure: (inout StackConfig) -> Void = { _ in }
  ) {
    guard let subnet = CIDR(Self.gateway, prefixLength: 16) else { preconditionFailure("a CIDR") }
    var config = StackConfig(subnet: subnet, gateway: Self.gateway, dns: Self.dns)
    config.maximumFlows = 4096
    config.bufferLimit = 16 << 20
    config.newFlowsPerIteration = .max
    configure(&config)
    stack = Stack(
      host: host.table, calls: datagrams ? self.datagrams.calls : kernel.calls, config: config,
      seed: 1)
    self.isSwitched = isSwitched
    stack.dns.resolver = host
    if isSwitched {
      up(Self.switchPort, .switch)
    } else {
      for guest in 1...guests { up(PortID(guest), .guest) }
    }
  }

  func up(_ port: PortID, _ kind: LinkKind) {
    let info = LinkInfo(port: port, kind: kind, mtu: 1500)
    precondition(stack.portUp(info))
  }

  func mac(_ guest: Int) -> MACAddress { MACAddress(0x5255_5500_0000 + UInt64(guest)) }

  func share(_ guest: Int) -> Share {
    let link = stack.link(of: isSwitched ? Self.switchPort : PortID(guest))
    return stack.core.shares.pointer(stack.core.shares.of(link, mac(guest))).pointee
  }

  // MARK: Frames

  func address(_ guest: Int) -> IPAddress {
    isSwitched
      ? IPAddress(192, 168, UInt8(10 + guest >> 8), UInt8(guest & 0xff))
      : IPAddress(192, 168, 5, 15)
  }

  /// - Parameter source: another address than the guest's.
  func syn(
    _ guest: Int, port: UInt16, to remote: Endpoint = CrowdScene.server, source: IPAddress? = nil
  ) -> [UInt8] {
    from(
      guest,
      Frames.tcp(
        TCPHeader(
          sourcePort: port, destinationPort: remote.port, sequence: 1000, acknowledgement: 0,
          flags: .syn, window: 65535),
        payload: [], source: source ?? address(guest), destination: remote.address))
  }

  /// A segment with one byte; it acknowledges no data from the host.
  func data(_ guest: Int, port: UInt16, sequence: UInt32) -> [UInt8] {
    from(
      guest,
      Frames.tcp(
        TCPHeader(
          sourcePort: port, destinationPort: Self.server.port, sequence: sequence,
          acknowledgement: accepted[port] ?? 0, flags: .ack, window: 65535),
        payload: [1], source: address(guest), destination: Self.server.address))
  }

  /// Answers the SYN-ACKs that went to a guest since the last call.
  func accept(_ guest: Int) {
    let frames = host.frames
    host.frames = []
    let answers = frames.compactMap { frame -> [UInt8]? in
      frame.withByteView { view in
        guard let ethernet = EthernetPacket(checking: view),
          let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == IPProtocol.tcp,
          let tcp = TCPPacket(checking: ip.payload), tcp.flags == [.syn, .ack]
        else { return nil }
        accepted[tcp.destinationPort] = tcp.sequence &+ 1
        return from(
          guest,
          Frames.tcp(
            TCPHeader(
              sourcePort: tcp.destinationPort, destinationPort: tcp.sourcePort,
              sequence: tcp.acknowledgement, acknowledgement: tcp.sequence &+ 1, flags: .ack,
              window: 65535),
            payload: [], source: ip.destination, destination: ip.source))
      }
    }
    send(guest, answers)
  }

  func udp(
    _ guest: Int, port: UInt16, to remote: Endpoint = CrowdScene.server, _ payload: [UInt8] = [1],
    source: IPAddress? = nil
  ) -> [UInt8] {
    let source = source ?? address(guest)
    let transport = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { view in
        out.store(view, at: 8)
        return payload.count
          + UDPHeader(
            sourcePort: port, destinationPort: remote.port, payloadLength: payload.count
          ).emit(into: out, payload: view, source: source, destination: remote.address)
      }
    }
    return from(
      guest,
      Frames.ipv4(
        proto: IPProtocol.udp, transport: transport, source: source, destination: remote.address))
  }

  func echo(_ guest: Int, _ id: UInt16) -> [UInt8] {
    let transport = [UInt8](capacity: 8) { out in
      ICMPHeader(type: ICMPv4Type.echoRequest, identifier: id, sequence: 1)
        .emit(into: out, payload: .empty)
      return 8
    }
    return from(
      guest,
      Frames.ipv4(
        proto: IPProtocol.icmp, transport: transport, source: address(guest),
        destination: Self.server.address))
  }

  private func from(_ guest: Int, _ frame: [UInt8]) -> [UInt8] {
    var frame = frame
    for index in 0..<6 {
      frame[6 + index] = UInt8(truncatingIfNeeded: mac(guest).rawValue >> (40 - 8 * index))
    }
    return frame
  }

  /// Passes frames of a guest to the stack in one batch.
  func send(_ guest: Int, _ frames: [[UInt8]]) {
    guard !frames.isEmpty else { return }
    let bytes = frames.flatMap { $0 }
    bytes.withUnsafeBufferPointer { buffer in
      var offset = 0
      let list = frames.map { bytes in
        var frame = Frame()
        frame.data = buffer.baseAddress.map { $0 + offset }
        frame.length = UInt32(bytes.count)
        offset += bytes.count
        return frame
      }
      stack.rx(
        isSwitched ? Self.switchPort : PortID(guest), list, UInt32(truncatingIfNeeded: list.count)
      )
    }
  }

  func send(_ guest: Int, _ frame: [UInt8]) { send(guest, [frame]) }

  /// Fires due timers, once each.
  func turn(after nanoseconds: UInt64 = 0) {
    host.now += nanoseconds
    for (handle, deadline) in host.timers where deadline <= host.now {
      host.timers[handle] = nil
      stack.onTimer(handle)
    }
  }

  /// Answers all questions to the DNS.
  func answerQuestions() {
    let questions = host.questions
    host.questions = []
    for question in questions {
      question.message.withByteView { stack.onAnswer(question.op, $0) }
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A stack with one guest, the fake host and the datagram kernel.

import Wire

@testable import NetStack

final class DatagramWorld {
  static let port: PortID = 7
  static let guest = IPAddress(192, 168, 5, 15)
  static let gateway = IPAddress(192, 168, 5, 2)
  static let server = Endpoint(IPAddress(10, 1, 2, 3), port: 7000)

  let host = FakeHost()
  let kernel = DatagramKernel()
  let stack: Stack

  init(
    mtu: UInt32 = 1500, offloads: Offloads = [], kind: LinkKind = .guest,
    configure: (inout StackConfig) -> Void = { _ in }
  )
    throws
  {
    guard let subnet = CIDR(Self.gateway, prefixLength: 24) else { preconditionFailure("a CIDR") }
    var config = StackConfig(
      subnet: subnet, gateway: Self.gateway, dns: IPAddress(192, 168, 5, 3))
    config.ipv6 = Simulation.ipv6()
    config.maximumFlows = 64
    config.bufferLimit = 1 << 20
    config.newFlowsPerIteration = .max
    configure(&config)
    stack = Stack(host: host.table, calls: kernel.calls, config: config, seed: 1)
    let info = LinkInfo(port: Self.port, kind: kind, mtu: mtu, offloads: offloads)
    precondition(stack.portUp(info))
  }

  func udp(
    from port: UInt16, to remote: Endpoint, _ payload: [UInt8], ttl: UInt8 = 64,
    dontFragment: Bool = true, trafficClass: UInt8 = 0
  ) -> [UInt8] {
    let transport = [UInt8](capacity: 8 + payload.count) { out in
      payload.withByteView { view in
        out.store(view, at: 8)
        return payload.count
          + UDPHeader(
            sourcePort: port, destinationPort: remote.port, payloadLength: payload.count
          ).emit(into: out, payload: view, source: Self.guest, destination: remote.address)
      }
    }
    return ip(
      IPProtocol.udp, transport, to: remote.address, ttl: ttl, dontFragment: dontFragment,
      trafficClass: trafficClass)
  }

  func echo(_ id: UInt16, _ sequence: UInt16, to remote: IPAddress, ttl: UInt8 = 64) -> [UInt8] {
    let payload: [UInt8] = [1, 2, 3, 4]
    let transport = [UInt8](capacity: 12) { out in
      payload.withByteView { view in
        out.store(view, at: 8)
        ICMPHeader(type: ICMPv4Type.echoRequest, identifier: id, sequence: sequence)
          .emit(into: out, payload: view)
        return 12
      }
    }
    return ip(IPProtocol.icmp, transport, to: remote, ttl: ttl)
  }

  func ip(
    _ proto: UInt8, _ transport: [UInt8], to remote: IPAddress, ttl: UInt8 = 64,
    dontFragment: Bool = true, trafficClass: UInt8 = 0
  ) -> [UInt8] {
    [UInt8](capacity: 34 + transport.count) { out in
      EthernetHeader(
        destination: GuestTCP.gatewayMAC, source: GuestTCP.mac, etherType: EtherType.ipv4
      ).emit(into: out)
      IPv4Header(
        source: Self.guest, destination: remote, protocolNumber: proto,
        payloadLength: transport.count, dontFragment: dontFragment, timeToLive: ttl,
        trafficClass: trafficClass
      ).emit(into: out.dropFirst(14))
      transport.withByteView { out.store($0, at: 34) }
      return 34 + transport.count
    }
  }

  /// Passes frames to the stack in one batch.
  func send(_ frames: [UInt8]...) { send(batch: frames) }

  /// A UDP GSO frame, as a guest with UDP segmentation sends it.
  func send(train frame: [UInt8], segment: UInt16) {
    send(batch: [frame], segment: segment)
  }

  func send(batch frames: [[UInt8]], segment: UInt16 = 0) {
    let sizes = frames.map(\.count)
    let bytes = frames.flatMap { $0 }
    bytes.withUnsafeBufferPointer { buffer in
      var offset = 0
      let list = sizes.map { size in
        var frame = Frame()
        frame.data = buffer.baseAddress.map { $0 + offset }
        frame.length = UInt32(size)
        if segment > 0 {
          frame.gsoType = .udp
          frame.gsoSize = segment
          frame.flags = .needsChecksum
        }
        offset += size
        return frame
      }
      stack.rx(Self.port, list, UInt32(list.count))
    }
  }

  /// Reports events of readable sockets.
  func poll() {
    let events = host.watches.values.compactMap { watch -> FDEvent? in
      guard let socket = kernel.sockets[watch.fd] else { return nil }
      var ready: FDEvents = socket.incoming.isEmpty ? [] : .read
      if !socket.errors.isEmpty { ready.insert(.error) }
      return ready.isEmpty ? nil : FDEvent(token: watch.user, events: ready)
    }
    stack.onFDs(events, UInt32(events.count))
  }

  /// Advances time and fires timers.
  func wait(seconds: UInt64) {
    let end = host.now + seconds * 1_000_000_000
    while let (handle, deadline) = host.timers.min(by: { $0.value < $1.value }), deadline <= end {
      host.now = max(host.now, deadline)
      host.timers[handle] = nil
      stack.onTimer(handle)
    }
    host.now = end
  }

  struct Datagram: Equatable {
    var source: Endpoint
    var port: UInt16
    var payload: [UInt8]
  }

  struct Message {
    var source: IPAddress
    var header: ICMPHeader
    var payload: [UInt8]
    var ttl: UInt8
  }

  /// Takes the UDP datagrams sent to the guest.
  func datagrams() -> [Datagram] {
    packets(IPProtocol.udp).compactMap { ip, bytes in
      bytes.withByteView { view in
        UDPPacket(checking: view).map {
          Datagram(
            source: Endpoint(ip.source, port: $0.sourcePort), port: $0.destinationPort,
            payload: $0.payload.bytes)
        }
      }
    }
  }

  /// Takes the ICMP messages sent to the guest.
  func messages() -> [Message] {
    packets(IPProtocol.icmp).compactMap { ip, bytes in
      bytes.withByteView { view in
        guard let icmp = ICMPv4Packet(checking: view), icmp.isChecksumValid else { return nil }
        return Message(
          source: ip.source, header: ICMPHeader(icmp), payload: icmp.payload.bytes,
          ttl: ip.timeToLive)
      }
    }
  }

  /// Takes the IP headers of packets of one protocol sent to the guest.
  func headers(_ proto: UInt8) -> [IPv4Header] { packets(proto).map(\.0) }

  private func packets(_ proto: UInt8) -> [(IPv4Header, [UInt8])] {
    var found: [(IPv4Header, [UInt8])] = []
    host.frames.removeAll { frame in
      frame.withByteView { view in
        guard let ethernet = EthernetPacket(checking: view),
          let ip = IPv4Packet(checking: ethernet.payload), ip.protocolNumber == proto
        else { return false }
        found.append((IPv4Header(ip), ip.payload.bytes))
        return true
      }
    }
    return found
  }
}

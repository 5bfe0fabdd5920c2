// SPDX-License-Identifier: Apache-2.0
//
// A stack with one guest, and frames of that guest in one buffer, ready to be handed over again
// and again.

import NetStack
import Wire

final class MicroScene {
  static let port: PortID = 1
  static let guest = IPAddress(192, 168, 5, 15)
  static let gateway = IPAddress(192, 168, 5, 2)
  static let server = Endpoint(IPAddress(10, 1, 2, 3), port: 7000)
  static let guestMAC = MACAddress(0x52, 0x55, 0x55, 0x12, 0x34, 0x56)
  static let gatewayMAC = MACAddress(0x5a, 0x94, 0xef, 0xe4, 0x0c, 0xdd)

  let host = MicroHost()
  let stack: Stack

  /// - Parameter offloads: of the guest's link.
  init(flows: Int = 1, offloads: Offloads = []) {
    guard let subnet = CIDR(Self.gateway, prefixLength: 24) else { preconditionFailure("a CIDR") }
    var config = StackConfig(
      subnet: subnet, gateway: Self.gateway, dns: IPAddress(192, 168, 5, 3))
    config.maximumFlows = max(1024, flows + 16)
    config.newFlowsPerIteration = .max
    config.maximumPerDestination = .max
    config.maximumHalfOpen = max(1024, flows + 16)
    config.udp.maximumFlows = max(1024, flows + 16)
    config.udp.maximumPeers = max(1024, flows + 16)
    stack = Stack(host: host.table, calls: host.calls, config: config, seed: 1)
    stack.udp.dhcp = DHCPService(
      stack: stack.core,
      configuration: DHCPServer.Configuration(serverAddress: Self.gateway, subnet: subnet),
      policy: .single(Self.guest))
    let info = LinkInfo(port: Self.port, mtu: 1500, offloads: offloads)
    precondition(stack.portUp(info), "there is room for a port")
  }

  static func ethernet(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    [UInt8](capacity: 14) {
      EthernetHeader(destination: gatewayMAC, source: guestMAC, etherType: type).emit(into: $0)
    } + payload
  }

  static func ipv4(
    _ proto: UInt8, _ payload: [UInt8], to destination: IPAddress, offset: Int = 0,
    more: Bool = false
  ) -> [UInt8] {
    ethernet(
      EtherType.ipv4,
      [UInt8](capacity: 20) {
        IPv4Header(
          source: guest, destination: destination, protocolNumber: proto,
          payloadLength: payload.count, dontFragment: !more && offset == 0, moreFragments: more,
          fragmentOffset: offset
        ).emit(into: $0)
      } + payload)
  }

  static func udp(from port: UInt16, to remote: Endpoint, _ payload: [UInt8]) -> [UInt8] {
    let header = [UInt8](capacity: 8) {
      UDPHeader(
        sourcePort: port, destinationPort: remote.port, payloadLength: payload.count
      ).emit(into: $0)
    }
    return ipv4(IPProtocol.udp, header + payload, to: remote.address)
  }
}

/// Frames in memory of their own, as a port hands them over: at most 256 at a time.
final class FrameBatch {
  let bytes: UnsafeMutablePointer<UInt8>
  let frames: UnsafeMutablePointer<Frame>
  let count: Int
  private let stride: Int

  init(_ list: [[UInt8]]) {
    count = list.count
    stride = (list.map(\.count).max() ?? 0) + 2
    bytes = .allocate(capacity: count * stride)
    frames = .allocate(capacity: count)
    for (index, frame) in list.enumerated() {
      (bytes + index * stride).update(from: frame, count: frame.count)
      var item = Frame()
      item.data = UnsafePointer(bytes + index * stride)
      item.length = UInt32(frame.count)
      // The port completes checksums, where any are partial.
      item.flags = .checksumValid
      frames[index] = item
    }
  }

  deinit {
    bytes.deallocate()
    frames.deallocate()
  }

  /// The bytes of one frame.
  func view(_ index: Int) -> MutableByteView {
    MutableByteView(bytes + index * stride, count: stride)
  }

  @inline(__always)
  func deliver(to stack: Stack) {
    var index = 0
    while index < count {
      let number = min(256, count - index)
      stack.rx(MicroScene.port, frames + index, UInt32(number))
      index += number
    }
  }
}

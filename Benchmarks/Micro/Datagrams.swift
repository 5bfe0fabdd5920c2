// SPDX-License-Identifier: Apache-2.0
//
// All that is not TCP.

import NetStack
import Wire

enum Datagrams {
  static func run(_ measure: Measure, _ report: (Sample) -> Void) {
    simple(measure, report)
    report(fromGuest(measure))
    report(toGuest(measure, length: 64, "UDP to guest, 64 B"))
    report(toGuest(measure, length: 1400, "UDP to guest, 1400 B"))
    report(
      toGuest(
        measure, length: 64, "UDP to guest, 64 B, in super-frames",
        [.checksum, .udp]))
    report(fragments(measure))
  }

  private static func simple(_ measure: Measure, _ report: (Sample) -> Void) {
    let arp = MicroScene.ethernet(
      EtherType.arp,
      [UInt8](capacity: ARPHeader.encodedLength) {
        ARPHeader(
          operation: ARPHeader.request, senderMAC: MicroScene.guestMAC,
          senderIP: MicroScene.guest, targetMAC: .zero, targetIP: MicroScene.gateway
        ).emit(into: $0)
      })
    report(each(measure, "ARP request and reply", arp))
    let data = [UInt8](repeating: 1, count: 56)
    let header = data.withByteView { view in
      [UInt8](capacity: 8) {
        ICMPHeader(type: ICMPv4Type.echoRequest, identifier: 1, sequence: 1)
          .emit(into: $0, payload: view)
      }
    }
    report(
      each(
        measure, "ICMP echo of the gateway, 56 B",
        MicroScene.ipv4(IPProtocol.icmp, header + data, to: MicroScene.gateway)))
    let mac: [UInt8] = [0x52, 0x55, 0x55, 0x12, 0x34, 0x56]
    let discover =
      [1, 1, 6, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 20) + mac
      + [UInt8](repeating: 0, count: 202) + [99, 130, 83, 99, 53, 1, 1, 255]
    report(
      each(
        measure, "DHCPDISCOVER and DHCPOFFER",
        MicroScene.udp(from: 68, to: Endpoint(.broadcastV4, port: 67), discover)))
  }

  /// Batches of 64 frames that are all alike.
  private static func each(_ measure: Measure, _ name: String, _ frame: [UInt8]) -> Sample {
    let scene = MicroScene()
    let batch = FrameBatch([[UInt8]](repeating: frame, count: 64))
    return measure(name, packets: 64) {
      scene.host.now &+= 1_000_000
      batch.deliver(to: scene.stack)
    }
  }

  private static func fromGuest(_ measure: Measure) -> Sample {
    let payload = [UInt8](repeating: 1, count: 64)
    return each(
      measure, "UDP from guest, 64 B", MicroScene.udp(from: 2000, to: MicroScene.server, payload))
  }

  private static func toGuest(
    _ measure: Measure, length: Int, _ name: String, _ offloads: Offloads = []
  ) -> Sample {
    let scene = MicroScene(offloads: offloads)
    FrameBatch([MicroScene.udp(from: 4000, to: MicroScene.server, [1])]).deliver(to: scene.stack)
    let event = FDEvent(token: scene.host.lastToken, events: .read)
    scene.host.datagramLength = length
    return measure(name, packets: 64) {
      scene.host.now &+= 1_000
      scene.host.datagrams = 64
      withUnsafePointer(to: event) { scene.stack.onFDs($0, 1) }
    }
  }

  private static func fragments(_ measure: Measure) -> Sample {
    let scene = MicroScene()
    let first = [UInt8](repeating: 1, count: 1480)
    let last = [UInt8](repeating: 1, count: 800)
    let header: [UInt8] = [0x0f, 0xa0, 0x1b, 0x58, 0x08, 0xe8, 0, 0]
    let batch = FrameBatch([
      MicroScene.ipv4(
        IPProtocol.udp, header + first.dropFirst(8), to: MicroScene.server.address, more: true),
      MicroScene.ipv4(IPProtocol.udp, last, to: MicroScene.server.address, offset: 1480),
    ])
    return measure("two fragments put together", packets: 2) {
      scene.host.now &+= 1_000
      batch.deliver(to: scene.stack)
    }
  }
}

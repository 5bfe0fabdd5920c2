// SPDX-License-Identifier: Apache-2.0
//
// TCP: data both ways and acknowledgements, over one connection.

import NetStack
import Wire

enum Streams {
  static func run(_ measure: Measure, _ report: (Sample) -> Void) {
    report(fromGuest(measure, length: 1460))
    report(fromGuest(measure, length: 100))
    report(acknowledgements(measure))
    report(
      toGuest(
        measure, "TCP to guest, 64 KiB as one super-frame", [.checksum, .tcpV4]))
  }

  /// A connection of the guest as the benchmark knows it.
  struct Connection {
    var sequence: UInt32 = 0
    var acknowledgement: UInt32 = 0
    var token: UInt64 = 0
    let port: UInt16
    let remote: IPAddress

    /// Connection `index` of many: ports, and then addresses, tell them apart.
    init(index: Int) {
      port = UInt16(2000 + index % 60_000)
      remote = IPAddress(10, 1, 2, UInt8(1 + index / 60_000))
    }

    /// Makes a frame one of this connection.
    @inline(__always)
    func address(_ frame: MutableByteView) {
      frame.storeV4(remote, at: 30)
      frame.store(port, at: 34)
    }
  }

  static func segment(
    _ index: Int, _ flags: TCPFlags, sequence: UInt32, acknowledgement: UInt32 = 0,
    options: TCPOptions = TCPOptions(), payload: Int = 0
  ) -> [UInt8] {
    let connection = Connection(index: index)
    let header = [UInt8](capacity: TCPHeader.maximumLength) {
      TCPHeader(
        sourcePort: connection.port, destinationPort: 80, sequence: sequence,
        acknowledgement: acknowledgement, flags: flags, window: 65535, options: options
      ).emit(into: $0)
    }
    return MicroScene.ipv4(
      IPProtocol.tcp, header + [UInt8](repeating: 1, count: payload),
      to: connection.remote)
  }

  static func open(_ scene: MicroScene, _ index: Int) -> Connection {
    var options = TCPOptions()
    options.maximumSegmentSize = 1460
    options.windowScale = 10
    options.sackPermitted = true
    FrameBatch([segment(index, .syn, sequence: 999, options: options)]).deliver(to: scene.stack)
    let token = scene.host.lastToken
    // Connected sockets become writable.
    let event = FDEvent(token: token, events: .write)
    withUnsafePointer(to: event) { scene.stack.onFDs($0, 1) }
    var connection = Connection(index: index)
    connection.sequence = 1000
    connection.acknowledgement = scene.host.lastEnd
    connection.token = token
    FrameBatch([
      segment(
        index, .ack, sequence: connection.sequence, acknowledgement: connection.acknowledgement)
    ]).deliver(to: scene.stack)
    return connection
  }

  /// 64 segments of one connection, acknowledged when their batch ends.
  private static func fromGuest(_ measure: Measure, length: Int) -> Sample {
    let scene = MicroScene()
    let connection = open(scene, 0)
    let batch = FrameBatch(
      (0..<64).map {
        segment(
          0, .ack, sequence: connection.sequence &+ UInt32($0 * length),
          acknowledgement: connection.acknowledgement, payload: length)
      })
    return measure("TCP from guest, \(length) B", packets: batch.count) {
      scene.host.now &+= 10_000
      batch.deliver(to: scene.stack)
      for index in 0..<batch.count {
        let view = batch.view(index)
        view.store(view.view.uint32(at: 38) &+ UInt32(64 * length), at: 38)
      }
    }
  }

  private static func acknowledgements(_ measure: Measure) -> Sample {
    let scene = MicroScene()
    let connection = open(scene, 0)
    let batch = FrameBatch(
      [[UInt8]](
        repeating: segment(
          0, .ack, sequence: connection.sequence, acknowledgement: connection.acknowledgement),
        count: 64))
    return measure("TCP ACK from guest", packets: 64) {
      scene.host.now &+= 10_000
      batch.deliver(to: scene.stack)
    }
  }

  /// A read of 64 KiB, its way to the guest, and the guest's ACK.
  private static func toGuest(_ measure: Measure, _ name: String, _ offloads: Offloads) -> Sample {
    let scene = MicroScene(offloads: offloads)
    let connection = open(scene, 0)
    let ack = FrameBatch([
      segment(0, .ack, sequence: connection.sequence, acknowledgement: connection.acknowledgement)
    ])
    let event = FDEvent(token: connection.token, events: .read)
    return measure(name, packets: 1) {
      scene.host.now &+= 10_000
      scene.host.streamBytes = 65_000
      withUnsafePointer(to: event) { scene.stack.onFDs($0, 1) }
      ack.view(0).store(scene.host.lastEnd, at: 42)
      ack.deliver(to: scene.stack)
    }
  }
}

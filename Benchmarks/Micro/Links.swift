// SPDX-License-Identifier: Apache-2.0
//
// Guests' links and the switch, with their system calls: frames through unix sockets.

import LibC
import Host
import NetStack
import Platform
import PluginAPI
import Wire

enum Links {
  static func run(_ measure: Measure, _ report: (Sample) -> Void) {
    guard let (ours, theirs) = try? UnixSocket.pair() else { return }
    defer { _ = Sockets.close(theirs) }
    let memory = PortMemory()
    let port = StreamPort(
      PortOptions(id: 1), fd: ours, journal: nil, resumed: false, memory: memory)
    report(segments(measure, port, theirs))
    report(received(measure, port, theirs))
    port.close()
    if let sample = switched(measure) { report(sample) }
  }

  /// Empties a socket.
  private static func drain(_ fd: Int32, _ buffer: UnsafeMutableRawBufferPointer) {
    while Sockets.recv(fd, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
  }

  /// A GSO frame of 45 segments, cut and checksummed on its way into the stream.
  private static func segments(_ measure: Measure, _ port: StreamPort, _ peer: Int32) -> Sample {
    let count = 45
    let header = [UInt8](capacity: 20) {
      TCPHeader(
        sourcePort: 80, destinationPort: 4000, sequence: 1, acknowledgement: 1, flags: .ack,
        window: 1000
      ).emit(into: $0)
    }
    let bytes = MicroScene.ipv4(
      IPProtocol.tcp, header + [UInt8](repeating: 1, count: 1448 * count),
      to: MicroScene.server.address)
    let batch = FrameBatch([bytes])
    var frame = lnd_frame()
    frame.data = batch.frames[0].data
    frame.length = batch.frames[0].length
    frame.flags = LND_FRAME_NEEDS_CSUM
    frame.gso_type = UInt16(LND_GSO_TCPV4)
    frame.gso_size = 1448
    frame.hdr_len = 54
    frame.csum_start = 34
    frame.csum_offset = 16
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
    defer { buffer.deallocate() }
    return measure("segment cut for a QEMU stream, 1448 B", packets: count) {
      _ = port.send(&frame, 1)
      drain(peer, buffer)
      port.onWritable()
    }
  }

  /// 64 frames of 64 bytes in a stream.
  private static func received(_ measure: Measure, _ port: StreamPort, _ peer: Int32) -> Sample {
    port.receiver = .discard
    let frame = MicroScene.udp(
      from: 4000, to: MicroScene.server, [UInt8](repeating: 1, count: 64))
    let framed = [0, 0, 0, UInt8(frame.count)] + frame
    let stream = [[UInt8]](repeating: framed, count: 64).flatMap { $0 }
    return measure("frame from a QEMU stream, 64 B", packets: 64) {
      stream.withUnsafeBytes { _ = Sockets.send(peer, $0.baseAddress, $0.count, 0) }
      port.onReadable()
    }
  }

  /// 64 frames of 64 bytes from one stream to another.
  private static func switched(_ measure: Measure) -> Sample? {
    guard let (near, nearPeer) = try? UnixSocket.pair(), let (far, farPeer) = try? UnixSocket.pair()
    else { return nil }
    defer { for fd in [nearPeer, farPeer] { _ = Sockets.close(fd) } }
    let memory = PortMemory()
    let addresses = [MicroScene.guestMAC, MACAddress(0x52, 0x55, 0x55, 0, 0, 9)]
    let ports = zip([near, far], addresses).enumerated().map { index, end in
      StreamPort(
        PortOptions(id: UInt64(index), mac: end.1.rawValue), fd: end.0, journal: nil,
        resumed: false, memory: memory)
    }
    let fabric = Switch(plugin: .discard)
    for port in ports { _ = fabric.attach(port, as: .guest) }
    defer {
      for port in ports {
        fabric.detach(port)
        port.close()
      }
    }
    let payload = [UInt8](repeating: 1, count: 50)
    let frame = [UInt8](capacity: 14) {
      EthernetHeader(destination: addresses[1], source: addresses[0], etherType: 0x88b5)
        .emit(into: $0)
    }
    let framed = [0, 0, 0, UInt8(64)] + frame + payload
    let stream = [[UInt8]](repeating: framed, count: 64).flatMap { $0 }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
    defer { buffer.deallocate() }
    return measure("frame from a stream through the switch, 64 B", packets: 64) {
      stream.withUnsafeBytes { _ = Sockets.send(nearPeer, $0.baseAddress, $0.count, 0) }
      ports[0].onReadable()
      fabric.sendHeld()
      drain(farPeer, buffer)
    }
  }
}

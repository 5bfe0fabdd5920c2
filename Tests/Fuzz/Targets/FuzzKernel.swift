// SPDX-License-Identifier: Apache-2.0
//
// Sockets and the host of a stack that is fuzzed: what the kernel says is the script's, and
// what the stack does to it is checked.

import LibC
import NetStack
import Platform
import Wire

/// A kernel and a host in one.
final class FuzzKernel {
  struct Socket {
    /// To be read: of a stream the bytes, of a datagram socket one datagram each.
    var incoming: [[UInt8]] = []
    var source = Endpoint(SeedPackets.server, port: 7000)
    /// Raw ancillary data of what is in the error queue.
    var errors: [[UInt8]] = []
    var isOver = false
    /// Calls fail with it.
    var errno: Int32 = 0
    /// Bytes it takes before EAGAIN.
    var room = 1 << 16
  }

  var now: UInt64 = 1_000_000_000
  var sockets: [Int32: Socket] = [:]
  var watches: [UInt64: (fd: Int32, events: UInt32, user: UInt64)] = [:]
  var timers: [UInt64: UInt64] = [:]
  /// The next call of `socket` fails with it.
  var socketErrno: Int32 = 0
  /// Frames that the guest takes; then the link is full.
  var frameRoom = Int.max
  /// Bytes that would be acknowledged by the guest: the end of the last segment sent.
  var lastSequence: UInt32 = 0
  var queries: Set<UInt64> = []
  private var lastNumber: UInt64 = 100

  /// Good for as long as this object lives.
  var table: StackHost {
    StackHost(
      context: Unmanaged.passUnretained(self).toOpaque(),
      sendFrames: { context, _, frames, count in
        FuzzKernel.of(context).take(frames.assumingMemoryBound(to: Frame.self), Int(count))
      },
      now: { FuzzKernel.of($0).now },
      addFD: { context, fd, events, user, watch in
        let kernel = FuzzKernel.of(context)
        expectFuzz(kernel.sockets[fd] != nil, "a socket that is watched is open")
        let number = kernel.number()
        kernel.watches[number] = (fd, events, user)
        watch?.pointee = number
        return 0
      },
      modifyFD: { context, handle, events in
        expectFuzz(
          FuzzKernel.of(context).watches[handle] != nil, "a watch that is changed is there")
        FuzzKernel.of(context).watches[handle]?.events = events
        return 0
      },
      removeFD: { FuzzKernel.of($0).watches[$1] = nil },
      setTimer: { context, deadline, _ in
        let kernel = FuzzKernel.of(context)
        let number = kernel.number()
        kernel.timers[number] = deadline
        return number
      },
      cancelTimer: { FuzzKernel.of($0).timers[$1] = nil })
  }

  static func of(_ context: UnsafeMutableRawPointer?) -> FuzzKernel {
    guard let context else { preconditionFailure("a function was called without its context") }
    return Unmanaged<FuzzKernel>.fromOpaque(context).takeUnretainedValue()
  }

  private func number() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  func open() -> Int32 {
    if socketErrno != 0 {
      defer { socketErrno = 0 }
      return -socketErrno
    }
    let fd = Int32(number())
    sockets[fd] = Socket()
    return fd
  }

  /// Frames on their way to the guest: they must be what the ABI says.
  private func take(_ frames: UnsafePointer<Frame>, _ count: Int) -> UInt32 {
    let taken = min(count, frameRoom)
    if frameRoom != .max { frameRoom -= taken }
    for index in 0..<taken {
      let bytes = Self.flat(frames[index])
      expectFuzz(
        bytes.count == Int(frames[index].length) && bytes.count >= 34, "a frame's length")
      bytes.withByteView { view in
        guard let ethernet = EthernetPacket(checking: view),
          ethernet.source == SeedPackets.gatewayMAC
        else { return expectFuzz(false, "a frame comes from the gateway") }
        if ethernet.etherType == EtherType.ipv6 {
          guard let ip = IPv6Packet(checking: ethernet.payload),
            ip.bytes.count == ethernet.payload.count, case .layer(let layer) = ip.chain
          else { return expectFuzz(false, "a frame is an IPv6 packet") }
          expectFuzz(ip.source.isUnicast, "an IPv6 packet comes from one host")
          guard layer.protocolNumber == IPProtocol.icmpV6, layer.fragment == nil else { return }
          expectFuzz(
            ICMPv6Packet(checking: ip.payload)?.isChecksumValid(
              source: ip.source, destination: ip.destination) == true, "an ICMPv6 message is good")
          return
        }
        guard ethernet.etherType == EtherType.ipv4 else { return }
        guard let ip = IPv4Packet(checking: ethernet.payload), ip.isHeaderChecksumValid,
          ip.bytes.count == ethernet.payload.count
        else { return expectFuzz(false, "a frame is a packet") }
        if ip.protocolNumber == IPProtocol.tcp, let tcp = TCPPacket(checking: ip.payload) {
          lastSequence =
            tcp.sequence &+ UInt32(tcp.payload.count)
            &+ (tcp.flags.contains(.syn) || tcp.flags.contains(.fin) ? 1 : 0)
        }
      }
    }
    return UInt32(taken)
  }

  private static func flat(_ frame: Frame) -> [UInt8] {
    guard let data = frame.data else { return [] }
    guard frame.flags.contains(.slices) else {
      return Array(UnsafeBufferPointer(start: data, count: Int(frame.length)))
    }
    let slices = UnsafeRawPointer(data).assumingMemoryBound(to: FrameSlice.self)
    return (0..<Int(frame.sliceCount)).flatMap {
      Array(UnsafeBufferPointer(start: slices[$0].data, count: Int(slices[$0].length)))
    }
  }
}

extension FuzzKernel: DNSResolver {
  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID {
    let number = number()
    queries.insert(number)
    return number
  }

  func cancel(_ operation: OperationID) { queries.remove(operation) }
}

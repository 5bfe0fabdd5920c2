// SPDX-License-Identifier: Apache-2.0
//
// Datagram sockets for tests: sent datagrams are recorded as on the wire; received ones, and the error queue, are set by
// the test.

import LibC
import Platform
import Wire

@testable import NetStack

/// A scripted kernel of UDP and ping sockets behind `SocketCalls`.
final class DatagramKernel {
  struct Sent: Equatable {
    var fd: Int32
    var payload: [UInt8]
    var destination: Endpoint
    /// Of the control message; 0 without one.
    var hopLimit: Int32 = 0
    /// Of the control message; nil without one.
    var trafficClass: Int32?
    var source: IPAddress?
  }

  struct Incoming {
    var source: Endpoint
    var payload: [UInt8]
    /// UDP_GRO's segment size; 0 for a single datagram.
    var segment: Int32 = 0
    var local: IPAddress?
    var hopLimit: Int32 = 0
    var trafficClass: UInt8 = 0
  }

  struct Failure {
    /// Destination and payload of the datagram that caused the error; an error of the host's own stack has none.
    var destination: Endpoint?
    var payload: [UInt8]
    var errno: Int32
    var origin: UInt8 = 2
    var type: UInt8 = 0
    var code: UInt8 = 0
    var info: UInt32 = 0
    var offender: IPAddress?
  }

  struct Socket {
    var family = AF_INET
    var type: Int32
    var proto: Int32
    var options: [String: Int32] = [:]
    var bound: Endpoint?
    var connected: Endpoint?
    var incoming: [Incoming] = []
    var errors: [Failure] = []
  }

  var sockets: [Int32: Socket] = [:]
  var sent: [Sent] = []
  /// Number of messages of each sendmmsg, in order.
  var batches: [Int] = []
  /// Errno values for the next sends.
  var sendErrors: [Int32] = []
  /// The MTU in the error queued with each EMSGSIZE.
  var localMTU: UInt32 = 0
  /// No UDP_SEGMENT on this path.
  var refusesSegmentation = false
  var maximumOpen = Int.max
  var socketError: Int32 = 0
  /// The kernel has no IPv6.
  var lacksIPv6 = false
  var bindError: Int32 = 0
  var hostAddresses: Set<IPAddress> = []
  /// IP_MTU_DISCOVER of the socket when each datagram was sent.
  var discoveries: [Int32?] = []
  private var nextFD: Int32 = 100

  var open: [Int32] { sockets.keys.sorted() }

  var calls: SocketCalls {
    SocketCalls(
      context: Unmanaged.passUnretained(self).toOpaque(),
      socket: { context, family, type, proto in
        let kernel = DatagramKernel.of(context)
        if kernel.socketError != 0 { return -kernel.socketError }
        if family == AF_INET6, kernel.lacksIPv6 { return -EAFNOSUPPORT }
        if kernel.sockets.count >= kernel.maximumOpen { return -EMFILE }
        kernel.nextFD += 1
        kernel.sockets[kernel.nextFD] = Socket(family: family, type: type, proto: proto)
        return kernel.nextFD
      },
      socketPair: { _, _, _, _ in -ENOSYS },
      connect: { context, fd, address, size in
        let endpoint = DatagramKernel.endpoint(address, size)
        DatagramKernel.of(context).sockets[fd]?.connected = endpoint
        return 0
      },
      bind: { context, fd, address, size in
        let kernel = DatagramKernel.of(context)
        guard kernel.bindError == 0 else { return -kernel.bindError }
        kernel.sockets[fd]?.bound = DatagramKernel.endpoint(address, size)
        return 0
      },
      listen: { _, _, _ in 0 },
      accept: { _, _, _, _ in -EAGAIN },
      sendMessage: { context, fd, message, _ in
        DatagramKernel.of(context).send(fd, message.pointee)
      },
      receiveMessage: { context, fd, message, flags in
        flags & SocketConstant.errorQueue != 0
          ? DatagramKernel.of(context).takeError(fd, &message.pointee)
          : DatagramKernel.of(context).receive(fd, &message.pointee)
      },
      shutdown: { _, _, _ in 0 },
      close: { context, fd in
        DatagramKernel.of(context).sockets[fd] = nil
        return 0
      },
      getOption: { _, _, _, _, value, _ in
        value.storeBytes(of: 0, as: Int32.self)
        return 0
      },
      setOption: { context, fd, level, name, value, size in
        guard size >= 4 else { return 0 }
        DatagramKernel.of(context).sockets[fd]?.options["\(level)/\(name)"] = value.load(
          as: Int32.self)
        return 0
      },
      localAddress: { context, fd, address, size in
        let kernel = DatagramKernel.of(context)
        guard let target = kernel.sockets[fd]?.connected?.address else { return -EINVAL }
        let local = kernel.hostAddresses.contains(target) ? target : IPAddress(10, 0, 2, 2)
        SocketAddress(Endpoint(local, port: 1)).withSockaddr { from, count in
          UnsafeMutableRawPointer(address).copyMemory(from: from, byteCount: Int(count))
          size.pointee = count
        }
        return 0
      },
      sendMessages: { context, fd, messages, count in
        let kernel = DatagramKernel.of(context)
        kernel.batches.append(Int(count))
        for index in 0..<Int(count) {
          let result = kernel.send(fd, messages[index].header)
          if result < 0 { return index > 0 ? Int32(index) : Int32(result) }
        }
        return Int32(count)
      },
      receiveMessages: { context, fd, messages, count in
        let kernel = DatagramKernel.of(context)
        for index in 0..<Int(count) {
          let result = kernel.receive(fd, &messages[index].header)
          if result < 0 { return index > 0 ? Int32(index) : Int32(result) }
          messages[index].length = UInt32(result)
        }
        return Int32(count)
      })
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> DatagramKernel {
    guard let context else { preconditionFailure("a socket call without its context") }
    return Unmanaged<DatagramKernel>.fromOpaque(context).takeUnretainedValue()
  }

  private static func endpoint(_ address: UnsafePointer<sockaddr>, _ size: UInt32) -> Endpoint? {
    var copy = SocketAddress()
    copy.withMutableSockaddr { out, outSize in
      UnsafeMutableRawPointer(out).copyMemory(from: address, byteCount: Int(size))
      outSize.pointee = size
    }
    return copy.endpoint
  }

  private func send(_ fd: Int32, _ message: msghdr) -> Int {
    if !sendErrors.isEmpty {
      let code = sendErrors.removeFirst()
      if code == EMSGSIZE, localMTU > 0 {
        sockets[fd]?.errors.append(
          Failure(
            destination: nil, payload: [], errno: code, origin: 1, info: localMTU))
      }
      return -Int(code)
    }
    guard let name = message.msg_name, sockets[fd] != nil else { return -Int(EBADF) }
    var address = SocketAddress()
    address.withMutableSockaddr { out, size in
      UnsafeMutableRawPointer(out).copyMemory(from: name, byteCount: Int(message.msg_namelen))
      size.pointee = message.msg_namelen
    }
    guard let destination = address.endpoint else { return -Int(EINVAL) }
    var template = Sent(fd: fd, payload: [], destination: destination)
    var segment = 0
    if let control = message.msg_control {
      for entry in ControlMessages(ByteView(control, count: message.msg_controllen)) {
        switch (entry.level, entry.type) {
        case (SocketConstant.levelIP, SocketConstant.timeToLive):
          template.hopLimit = entry.data.base.loadUnaligned(as: Int32.self)
        case (SocketConstant.levelIP, SocketConstant.trafficClass):
          template.trafficClass = entry.data.base.loadUnaligned(as: Int32.self)
        case (SocketConstant.levelIPv6, SocketConstant.hopLimitV6):
          template.hopLimit = entry.data.base.loadUnaligned(as: Int32.self)
        case (SocketConstant.levelIPv6, SocketConstant.trafficClassV6):
          template.trafficClass = entry.data.base.loadUnaligned(as: Int32.self)
        case (SocketConstant.levelIPv6, SocketConstant.packetInfoV6):
          template.source = entry.data.ipv6Address(at: 0)
        case (SocketConstant.levelIP, SocketConstant.packetInfo):
          template.source = entry.data.ipv4Address(at: 4)
        case (SocketConstant.levelUDP, SocketConstant.udpSegment):
          segment = Int(entry.data.base.loadUnaligned(as: UInt16.self))
        default: break
        }
      }
    }
    if segment > 0, refusesSegmentation { return -Int(EINVAL) }
    var bytes: [UInt8] = []
    for index in 0..<Int(message.msg_iovlen) {
      bytes += UnsafeRawBufferPointer(
        start: message.msg_iov[index].iov_base, count: message.msg_iov[index].iov_len)
    }
    let size = segment > 0 ? segment : max(bytes.count, 1)
    for start in stride(from: 0, to: max(bytes.count, 1), by: size) {
      template.payload = Array(bytes[start..<min(start + size, bytes.count)])
      sent.append(template)
      discoveries.append(
        sockets[fd]?.options[
          destination.address.isV4
            ? "\(SocketConstant.levelIP)/\(SocketConstant.pathDiscovery)"
            : "\(SocketConstant.levelIPv6)/\(SocketConstant.pathDiscoveryV6)"])
    }
    return bytes.count
  }

  private func receive(_ fd: Int32, _ message: inout msghdr) -> Int {
    guard sockets[fd]?.incoming.isEmpty == false, let next = sockets[fd]?.incoming.removeFirst()
    else { return -Int(EAGAIN) }
    var writer = ControlWriter(message.msg_control, capacity: message.msg_controllen)
    if next.segment > 0 {
      writer.append(
        level: SocketConstant.levelUDP, type: SocketConstant.udpReceiveOffload, next.segment)
    }
    if !next.source.address.isV4 {
      writeV6(next, &writer)
    } else if let local = next.local {
      let info: (Int32, UInt32, UInt32) = (1, local.v4.bigEndian, local.v4.bigEndian)
      writer.append(level: SocketConstant.levelIP, type: SocketConstant.packetInfo, info)
    }
    if next.hopLimit > 0, next.source.address.isV4 {
      writer.append(level: SocketConstant.levelIP, type: SocketConstant.timeToLive, next.hopLimit)
    }
    if next.trafficClass > 0, next.source.address.isV4 {
      writer.append(
        level: SocketConstant.levelIP, type: SocketConstant.trafficClass, next.trafficClass)
    }
    message.msg_controllen = writer.count
    return fill(&message, next.source, next.payload)
  }

  private func writeV6(_ next: Incoming, _ writer: inout ControlWriter) {
    let level = SocketConstant.levelIPv6
    if let local = next.local {
      let info: (UInt64, UInt64, UInt32) = (local.high.bigEndian, local.low.bigEndian, 1)
      writer.append(level: level, type: SocketConstant.packetInfoV6, info)
    }
    if next.hopLimit > 0 {
      writer.append(level: level, type: SocketConstant.hopLimitV6, next.hopLimit)
    }
    if next.trafficClass > 0 {
      writer.append(level: level, type: SocketConstant.trafficClassV6, Int32(next.trafficClass))
    }
  }

  private func takeError(_ fd: Int32, _ message: inout msghdr) -> Int {
    guard sockets[fd]?.errors.isEmpty == false, let next = sockets[fd]?.errors.removeFirst()
    else { return -Int(EAGAIN) }
    var writer = ControlWriter(message.msg_control, capacity: message.msg_controllen)
    // struct sock_extended_err and a sockaddr_in behind it.
    var error: (UInt32, UInt8, UInt8, UInt8, UInt8, UInt32, UInt32, UInt16, UInt16, UInt32, UInt64)
    error = (
      UInt32(next.errno), next.origin, next.type, next.code, 0, next.info, 0, 0, 0, 0, 0
    )
    if let offender = next.offender, offender.isV4 {
      error.7 = UInt16(AF_INET)
      error.9 = offender.v4.bigEndian
    }
    if sockets[fd]?.family == AF_INET6 {
      // A sockaddr_in6: family, port, flow label, address, scope.
      let offender = next.offender ?? .anyV6
      let name: (UInt16, UInt16, UInt32, UInt64, UInt64, UInt32) = (
        next.offender == nil ? 0 : UInt16(AF_INET6), 0, 0, offender.high.bigEndian,
        offender.low.bigEndian, 0
      )
      let head: (UInt32, UInt8, UInt8, UInt8, UInt8, UInt32, UInt32) = (
        error.0, error.1, error.2, error.3, 0, error.5, 0
      )
      writer.append(
        level: SocketConstant.levelIPv6, type: SocketConstant.receiveErrorsV6, (head, name))
    } else {
      writer.append(level: SocketConstant.levelIP, type: SocketConstant.receiveErrors, error)
    }
    message.msg_controllen = writer.count
    return fill(&message, next.destination, next.payload)
  }

  private func fill(_ message: inout msghdr, _ name: Endpoint?, _ payload: [UInt8]) -> Int {
    message.msg_namelen = 0
    if let name {
      SocketAddress(name).withSockaddr { from, size in
        message.msg_name?.copyMemory(from: from, byteCount: Int(size))
        message.msg_namelen = size
      }
    }
    let count = min(payload.count, message.msg_iov[0].iov_len)
    payload.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress {
        message.msg_iov[0].iov_base.copyMemory(from: base, byteCount: count)
      }
    }
    return count
  }
}

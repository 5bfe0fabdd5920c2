// SPDX-License-Identifier: Apache-2.0
//
// Datagrams of one rx batch for host sockets. Each flow has a queue of indices into one shared array, so that
// datagrams of interleaved flows still need one sendmmsg(2) per socket, and consecutive ones of equal size one
// message (UDP_SEGMENT). Payload is borrowed: everything is sent or dropped before the callback returns. Loop thread
// only.

import LibC
import Platform
import Wire

/// The datagrams of one socket in a DatagramOutbox, first to last.
package struct DatagramQueue: BitwiseCopyable {
  var head: UInt16 = 0
  var tail: UInt16 = 0
  package private(set) var count: UInt16 = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  fileprivate mutating func append(_ index: UInt16, to entries: UnsafeMutablePointer<Datagram>) {
    if count == 0 { head = index } else { entries[Int(tail)].next = index }
    tail = index
    count &+= 1
  }

  fileprivate mutating func drop(_ number: Int, of entries: UnsafeMutablePointer<Datagram>) {
    for _ in 0..<min(number, Int(count)) {
      head = entries[Int(head)].next
      count &-= 1
    }
  }
}

/// One datagram to be sent.
package struct Datagram: BitwiseCopyable {
  /// Borrowed until `flush`.
  package var payload: UnsafeRawPointer
  package var length: Int32
  /// 0: the socket's default.
  package var hopLimit: UInt8
  /// Nil: the socket's default.
  package var trafficClass: UInt8?
  fileprivate var next: UInt16 = 0
  package var destination: Endpoint
  /// The source address; unspecified: the kernel chooses.
  package var source: IPAddress
  /// The sender's reference for a failure: for UDP the slot of the peer.
  package var owner: UInt32

  package init(
    payload: ByteView, destination: Endpoint, hopLimit: UInt8 = 0, trafficClass: UInt8? = nil,
    source: IPAddress = .anyV4, owner: UInt32 = 0
  ) {
    self.payload = payload.base
    length = Int32(truncatingIfNeeded: payload.count)
    self.hopLimit = hopLimit
    self.trafficClass = trafficClass
    self.destination = destination
    self.source = source
    self.owner = owner
  }

  package var bytes: ByteView { ByteView(payload, count: Int(length)) }
}

/// The result of sending a queue.
package enum DatagramOutcome {
  /// The kernel accepted all of it.
  case sent
  /// The first datagram still in the queue was refused, with this errno.
  case refused(Int32)
}

/// Queued datagrams for sockets.
package final class DatagramOutbox {
  package static let capacity = 256
  private static let controlSize = 96
  /// UDP_MAX_SEGMENTS of older kernels.
  private static let mostSegments = 64
  /// Maximum bytes of a train, which the kernel treats as one datagram until it segments it.
  private static let longestTrain = 65_000

  private let entries: UnsafeMutablePointer<Datagram>
  private let names: UnsafeMutablePointer<SocketAddress>
  private let vectors: UnsafeMutablePointer<iovec>
  private let messages: UnsafeMutablePointer<MessageBatchEntry>
  /// Number of datagrams in each message.
  private let trains: UnsafeMutablePointer<UInt16>
  private let controls: UnsafeMutableRawPointer

  /// Places used since `reset`.
  package private(set) var count = 0
  /// Calls of sendmmsg since the start.
  package private(set) var batches: UInt64 = 0

  package init() {
    let capacity = Self.capacity
    entries = .allocate(capacity: capacity)
    names = .allocate(capacity: capacity)
    vectors = .allocate(capacity: capacity)
    messages = .allocate(capacity: capacity)
    trains = .allocate(capacity: capacity)
    controls = .allocate(byteCount: capacity * Self.controlSize, alignment: 16)
  }

  deinit {
    entries.deallocate()
    names.deallocate()
    vectors.deallocate()
    messages.deallocate()
    trains.deallocate()
    controls.deallocate()
  }

  /// Whether `append` has no place left: flush all queues, then `reset`.
  @inline(__always)
  package var isFull: Bool { count == Self.capacity }

  /// Precondition: all queues are empty.
  package func reset() { count = 0 }

  /// Appends a datagram to a queue. Precondition: there is a place.
  @inline(__always)
  package func append(_ datagram: Datagram, to queue: inout DatagramQueue) {
    guard count < Self.capacity else { return }
    entries[count] = datagram
    queue.append(UInt16(truncatingIfNeeded: count), to: entries)
    count &+= 1
  }

  /// The first datagram. Precondition: the queue is not empty.
  package func first(_ queue: DatagramQueue) -> Datagram { entries[Int(queue.head)] }

  /// Drops the first datagram of a queue.
  package func dropFirst(_ queue: inout DatagramQueue) { queue.drop(1, of: entries) }

  /// Sends a queue, as far as the kernel accepts it.
  /// - Parameter segmentation: consecutive datagrams of equal size may be one message.
  package func send(
    _ queue: inout DatagramQueue, fd: Int32, _ sockets: SocketCalls, segmentation: Bool
  ) -> DatagramOutcome {
    while !queue.isEmpty {
      let prepared = prepare(queue, segmentation: segmentation)
      batches &+= 1
      let result = Int(
        sockets.sendMessages(
          sockets.context, fd, messages, UInt32(truncatingIfNeeded: prepared)))
      guard result > 0 else { return .refused(result < 0 ? Int32(-result) : EAGAIN) }
      for message in 0..<min(result, prepared) {
        queue.drop(Int(trains[message]), of: entries)
      }
    }
    return .sent
  }

  /// Writes the messages for a whole queue; returns their number.
  private func prepare(_ queue: DatagramQueue, segmentation: Bool) -> Int {
    var index = Int(queue.head)
    var left = Int(queue.count)
    var vector = 0
    var message = 0
    while left > 0 {
      let first = entries[index]
      let begin = vector
      var total = 0
      var length = 0
      repeat {
        length = Int(entries[index].length)
        vectors[vector] = iovec(
          iov_base: UnsafeMutableRawPointer(mutating: entries[index].payload), iov_len: length)
        vector &+= 1
        total &+= length
        index = Int(entries[index].next)
        left &-= 1
      } while left > 0 && segmentation && length == Int(first.length) && length > 0
        && vector &- begin < Self.mostSegments
        && joins(entries[index], first, total: total)
      fill(message, first, vectors: vectors + begin, count: vector &- begin)
      message &+= 1
    }
    return message
  }

  /// Whether a datagram may follow `first` in a train of `total` bytes so far.
  @inline(__always)
  private func joins(_ next: Datagram, _ first: Datagram, total: Int) -> Bool {
    next.length > 0 && next.length <= first.length && next.hopLimit == first.hopLimit
      && total &+ Int(next.length) <= Self.longestTrain
      && next.trafficClass == first.trafficClass && next.destination == first.destination
      && next.source == first.source
  }

  private func fill(
    _ message: Int, _ first: Datagram, vectors: UnsafeMutablePointer<iovec>, count: Int
  ) {
    names[message] = SocketAddress(first.destination)
    var control = ControlWriter(
      controls + message &* Self.controlSize, capacity: Self.controlSize)
    let isV4 = first.destination.address.isV4
    if first.hopLimit != 0 {
      control.append(
        level: isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6,
        type: isV4 ? SocketConstant.timeToLive : SocketConstant.hopLimitV6, Int32(first.hopLimit))
    }
    if let trafficClass = first.trafficClass {
      control.append(
        level: isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6,
        type: isV4 ? SocketConstant.trafficClass : SocketConstant.trafficClassV6,
        Int32(trafficClass))
    }
    if !first.source.isUnspecified {
      if isV4 {
        // struct in_pktinfo: interface, local address, destination.
        let info: (Int32, UInt32, UInt32) = (0, first.source.v4.bigEndian, 0)
        control.append(level: SocketConstant.levelIP, type: SocketConstant.packetInfo, info)
      } else {
        // struct in6_pktinfo: address, interface.
        let info: (UInt64, UInt64, UInt32) = (
          first.source.high.bigEndian, first.source.low.bigEndian, 0
        )
        control.append(level: SocketConstant.levelIPv6, type: SocketConstant.packetInfoV6, info)
      }
    }
    if count > 1 {
      control.append(
        level: SocketConstant.levelUDP, type: SocketConstant.udpSegment,
        UInt16(truncatingIfNeeded: first.length))
    }
    var header = msghdr()
    header.msg_name = UnsafeMutableRawPointer(names + message)
    header.msg_namelen = names[message].size
    header.msg_iov = vectors
    header.msg_iovlen = numericCast(count)
    if control.count > 0 {
      header.msg_control = controls + message &* Self.controlSize
      header.msg_controllen = numericCast(control.count)
    }
    messages[message] = MessageBatchEntry(header: header, length: 0)
    trains[message] = UInt16(truncatingIfNeeded: count)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// How the cost of a packet grows with the number of flows. Whatever their number, packets come in
// batches of ten, each of another flow, in an order that has nothing to do with their places in
// memory, and in one buffer, as a port's is: what differs is the memory that the flows take.

import NetStack
import Platform
import Wire

enum Growth {
  static let flowCounts = [10, 100, 1000, 10_000, 100_000]
  private static let batch = 10
  private static let passes = 3

  static func run(_ measure: Measure, _ report: (Sample) -> Void) {
    var measure = measure
    measure.rounds = 2
    for path in [memory, tcpFromGuest, tcpToGuest, udpFromGuest] {
      // All numbers of flows, and all again: the machine's moods hit them alike.
      var best = flowCounts.map { path(measure, $0) }
      for _ in 1..<passes {
        for (index, flows) in flowCounts.enumerated() {
          let sample = path(measure, flows)
          if sample.nanoseconds < best[index].nanoseconds { best[index] = sample }
        }
      }
      best.forEach(report)
    }
  }

  /// The yardstick: four lines of memory for each flow, read and written in such an order.
  private static func memory(_ measure: Measure, _ flows: Int) -> Sample {
    let words = 256 / 8
    let memory = UnsafeMutablePointer<UInt64>.allocate(capacity: flows * words)
    memory.initialize(repeating: 0, count: flows * words)
    defer { memory.deallocate() }
    let order = shuffled(flows)
    var next = 0
    return measure("memory alone, 256 B of each flow", flows: flows, packets: batch) {
      for _ in 0..<batch {
        let flow = memory + order[next] * words
        for line in 0..<4 { flow[line * 8] &+= 1 }
        next = next + 1 == flows ? 0 : next + 1
      }
    }
  }

  private static func tcpFromGuest(_ measure: Measure, _ flows: Int) -> Sample {
    let scene = MicroScene(flows: flows)
    let turn = Turn(shuffled(flows).map { Streams.open(scene, $0) }, payload: 100, size: batch)
    return measure("TCP from guest, each of another flow, 100 B", flows: flows, packets: batch) {
      scene.host.now &+= 10_000
      turn.next { $0.sequence &+= 100 }
      turn.frames.deliver(to: scene.stack)
    }
  }

  /// 100 bytes from each of ten sockets, and the guest's ACKs.
  private static func tcpToGuest(_ measure: Measure, _ flows: Int) -> Sample {
    let scene = MicroScene(flows: flows)
    let turn = Turn(shuffled(flows).map { Streams.open(scene, $0) }, payload: 0, size: batch)
    scene.host.readLength = 100
    return measure("TCP to guest and its ACK, each of another flow", flows: flows, packets: batch) {
      scene.host.now &+= 10_000
      turn.next { $0.acknowledgement &+= 100 }
      scene.stack.onFDs(turn.events, UInt32(batch))
      turn.frames.deliver(to: scene.stack)
    }
  }

  private static func udpFromGuest(_ measure: Measure, _ flows: Int) -> Sample {
    let scene = MicroScene(flows: flows)
    var connections = shuffled(flows).map { Streams.Connection(index: $0) }
    for connection in connections {
      FrameBatch([
        MicroScene.udp(from: connection.port, to: Endpoint(connection.remote, port: 7000), [1])
      ]).deliver(to: scene.stack)
    }
    let payload = [UInt8](repeating: 1, count: 64)
    let frames = FrameBatch(
      [[UInt8]](
        repeating: MicroScene.udp(from: 1, to: MicroScene.server, payload), count: batch))
    var place = 0
    return connections.withUnsafeMutableBufferPointer { connections in
      measure("UDP from guest, each of another flow, 64 B", flows: flows, packets: batch) {
        scene.host.now &+= 1_000
        for index in 0..<batch {
          connections[place].address(frames.view(index))
          place = place + 1 == flows ? 0 : place + 1
        }
        frames.deliver(to: scene.stack)
      }
    }
  }

  /// 0..<count in an order of no regularity, the same each time.
  private static func shuffled(_ count: Int) -> [Int] {
    var random = RandomSource(seed: 7)
    var order = Array(0..<count)
    for index in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(index, Int(random.next() % UInt64(index + 1)))
    }
    return order
  }
}

/// Connections that take turns, so many at a time, and a frame of each.
private final class Turn {
  let frames: FrameBatch
  let events: UnsafeMutablePointer<FDEvent>
  private let connections: UnsafeMutablePointer<Streams.Connection>
  private let count: Int
  private let size: Int
  private var place = 0

  init(_ list: [Streams.Connection], payload: Int, size: Int) {
    count = list.count
    self.size = size
    connections = .allocate(capacity: count)
    for (index, connection) in list.enumerated() {
      (connections + index).initialize(to: connection)
    }
    frames = FrameBatch(
      (0..<size).map { Streams.segment($0, .ack, sequence: 0, payload: payload) })
    events = .allocate(capacity: size)
    events.initialize(
      repeating: FDEvent(token: 0, events: .read), count: size)
  }

  deinit {
    connections.deallocate()
    events.deallocate()
  }

  /// Makes frames and events those of the next connections, and moves these on.
  @inline(__always)
  func next(_ advance: (inout Streams.Connection) -> Void) {
    for index in 0..<size {
      let connection = connections + place
      let view = frames.view(index)
      connection.pointee.address(view)
      view.store(connection.pointee.sequence, at: 38)
      advance(&connection.pointee)
      view.store(connection.pointee.acknowledgement, at: 42)
      events[index].token = connection.pointee.token
      place = place + 1 == count ? 0 : place + 1
    }
  }
}

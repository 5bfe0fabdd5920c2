// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing
import Wire

@testable import NetStack

/// The cost of a transfer to a guest on links of different properties: time, retransmissions, timeouts. Times are
/// simulated. LIMA_NETD_COMPARE=1 prints a line for each link, to compare two versions.
@Suite(.timeLimit(.minutes(10)))
struct RecoveryComparisonTests {
  /// A link and a transfer.
  struct Course: CustomTestStringConvertible, Sendable {
    var name: String
    var loss = 0
    var reorder = 0
    /// One-way delay, and the maximum additional delay of a late frame; nanoseconds.
    var delay: UInt64 = 100_000
    var jitter: UInt64 = 200_000
    /// Number of messages, each sent when the guest has the one before, and their length in bytes.
    var messages = 1
    var length = 1_000_000
    /// The guest's receive buffer, bytes.
    var window = 1 << 20
    var sack = true
    /// Maximum number of frames in flight to the guest; others are lost, as at a full queue.
    var queue = Int.max
    var congestion = CongestionAlgorithm.newReno
    var testDescription: String { name }
  }

  struct Cost {
    /// Sum over all seeds, microseconds.
    var time: UInt64 = 0
    var bytes: UInt64 = 0
    var retransmits: UInt64 = 0
    var timeouts: UInt64 = 0
    var segments: UInt64 { bytes / 1460 }
  }

  static let seeds: ClosedRange<UInt64> = 1...10

  static func cost(_ course: Course) throws -> Cost {
    var cost = Cost()
    for seed in seeds {
      let simulation = Simulation(
        seed: seed, weather: LinkWeather(delay: course.delay, jitter: course.jitter)
      ) { $0.congestion = course.congestion }
      simulation.stepEvery = 100_000_000
      #expect(TCPTransferTests.open(simulation, seed: seed))
      let socket = try #require(simulation.socket)
      simulation.guests[0].receiveRoom = course.window
      simulation.guests[0].sack = course.sack
      // A round trip for the timers to know its time, before the weather changes.
      socket.incoming = [0]
      #expect(simulation.run(until: { $0.guests[0].received.count == 1 }))
      simulation.wait(500_000_000)
      simulation.weather.loss = course.loss
      simulation.weather.reorder = course.reorder
      simulation.weather.queue = course.queue
      let start = simulation.host.now
      var bytes: [UInt8] = [0]
      for message in 0..<course.messages {
        let next = pattern(course.length, seed: seed &+ UInt64(message)).prefix(course.length)
        bytes += next
        socket.incoming += next
        #expect(simulation.run(until: { $0.guests[0].received.count == bytes.count }))
      }
      #expect(simulation.guests[0].received == bytes)
      cost.time += (simulation.host.now - start) / 1000
      cost.bytes += UInt64(bytes.count)
      let counters = simulation.stack.tcp.counters
      cost.retransmits += counters.retransmits
      cost.timeouts += counters.timeouts
    }
    if getenv("LIMA_NETD_COMPARE") != nil {
      print(
        "\(course.name): \(cost.time / UInt64(seeds.count)) us, of \(cost.segments) segments "
          + "\(cost.retransmits) again, \(cost.timeouts) timeouts")
    }
    return cost
  }

  static let losses: [Course] = [
    Course(name: "1 % loss, 200 us", loss: 10),
    Course(name: "1 % loss, 10 ms", loss: 10, delay: 5_000_000),
    Course(name: "5 % loss, 200 us", loss: 50),
    Course(name: "1 % loss and 5 % late, 200 us", loss: 10, reorder: 50),
    Course(name: "tail loss, messages of 10 segments", loss: 10, messages: 50, length: 14_600),
    Course(name: "tail loss, messages of 2 segments", loss: 10, messages: 100, length: 2920),
    Course(name: "tail loss, 10 ms", loss: 10, delay: 5_000_000, messages: 50, length: 14_600),
  ]
  static let late: [Course] = [
    Course(name: "5 % late, 200 us", reorder: 50, window: 1 << 16),
    Course(name: "5 % late by up to 2 ms, 200 us", reorder: 50, jitter: 2_000_000, window: 1 << 16),
    Course(
      name: "5 % late by up to 2 ms, 10 ms", reorder: 50, delay: 5_000_000, jitter: 2_000_000,
      window: 1 << 16),
  ]

  static let queues: [Course] = [(100_000, "200 us"), (500_000, "1 ms"), (5_000_000, "10 ms")]
    .flatMap { delay, name in
      CongestionAlgorithm.allCases.map {
        Course(
          name: "a queue of 100, \(name), \($0.rawValue)", delay: delay, length: 3_000_000,
          queue: 100,
          congestion: $0)
      }
    }

  @Test(arguments: queues)
  func `a queue that overflows costs no timeout, with either congestion control`(course: Course)
    throws
  {
    let cost = try Self.cost(course)
    #expect(cost.timeouts == 0)
  }

  /// A message, and how many of its last segments are lost.
  static let tails = [(1, 1), (2, 1), (2, 2), (3, 1), (10, 1), (10, 2), (10, 3)]

  @Test(arguments: tails)
  func `the last segments of a message are sent again in less than half an RTO`(
    segments: Int, lost: Int
  ) throws {
    let simulation = Simulation(seed: 7, weather: LinkWeather(delay: 5_000_000))
    simulation.stepEvery = 100_000_000
    #expect(TCPTransferTests.open(simulation, seed: 7))
    let socket = try #require(simulation.socket)
    socket.incoming = [0]
    #expect(simulation.run(until: { $0.guests[0].received.count == 1 }))
    simulation.wait(500_000_000)
    let first = simulation.framesToGuest
    simulation.losesToGuest = { (first + segments - lost..<first + segments).contains($0) }
    let start = simulation.host.now
    let message = Array(pattern(segments * 1460, seed: 7).prefix(segments * 1460))
    socket.incoming += message
    #expect(simulation.run(until: { $0.guests[0].received.count == 1 + message.count }))
    #expect(simulation.guests[0].received == [0] + message)
    // The RTO is 200 ms, the round trip 10.
    #expect(simulation.host.now - start < 100_000_000)
    let counters = simulation.stack.tcp.counters
    #expect(counters.timeouts == 0)
    #expect(counters.retransmits <= UInt64(lost))
  }

  @Test(arguments: losses)
  func `what is lost goes again, and little else`(course: Course) throws {
    let cost = try Self.cost(course)
    #expect(cost.retransmits > 0)
    guard course.reorder == 0 else { return }
    #expect(cost.retransmits * 1000 < cost.segments * UInt64(course.loss) * 2)
  }

  @Test(arguments: late)
  func `what is late costs no timeout, and is sent again once at most`(course: Course) throws {
    let cost = try Self.cost(course)
    #expect(cost.timeouts == 0)
    // One segment in twenty is late. RACK's window is one round trip at most (RFC 8985 6.2.4): what is later counts as
    // lost, nine of ten in the second course. Of what is late by less one in five goes again, until the window fits.
    #expect(cost.retransmits < cost.segments / (course.jitter > 2 * course.delay ? 20 : 100))
  }
}

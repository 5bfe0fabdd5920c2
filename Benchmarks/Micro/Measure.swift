// SPDX-License-Identifier: Apache-2.0
//
// How much time of a CPU a piece of code takes, what it allocates, how many instructions it is. Of
// several rounds the fastest counts: whatever disturbs a round makes it slower, never faster.

import CMicro

/// One line of the table.
struct Sample: Codable {
  var name: String
  /// Flows that the packets are spread over.
  var flows: Int
  /// For each packet.
  var nanoseconds: Double
  /// Nil where the machine does not count them.
  var instructions: Double?
  var allocations: Double
}

struct Measure {
  /// CPU time for each round, nanoseconds.
  var roundTime: UInt64 = 100_000_000
  var rounds = 5

  /// - Parameters:
  ///   - packets: that one call of `body` handles.
  func callAsFunction(
    _ name: String, flows: Int = 1, packets: Int, _ body: () -> Void
  ) -> Sample {
    // Warm: pages are there, tables have grown. And so many calls are a round.
    var turns = 0
    let warm = micro_cpu_time()
    while micro_cpu_time() &- warm < roundTime / 4 || turns < 2 {
      for _ in 0..<16 { body() }
      turns += 16 * 4
    }
    var best = Sample(
      name: name, flows: flows, nanoseconds: .infinity, instructions: nil, allocations: 0)
    let count = Double(turns * packets)
    for _ in 0..<rounds {
      let allocations = micro_allocations()
      let instructions = micro_instructions()
      let begin = micro_cpu_time()
      for _ in 0..<turns { body() }
      let time = Double(micro_cpu_time() &- begin) / count
      guard time < best.nanoseconds else { continue }
      best.nanoseconds = time
      best.allocations = Double(micro_allocations() &- allocations) / count
      let spent = micro_instructions() &- instructions
      best.instructions = spent > 0 ? Double(spent) / count : nil
    }
    return best
  }
}

extension Double {
  /// With so many digits behind the point.
  func text(_ digits: Int) -> String {
    var scale = 1.0
    for _ in 0..<digits { scale *= 10 }
    let whole = Int((self * scale).rounded())
    guard digits > 0 else { return "\(whole)" }
    let fraction = "\(whole % Int(scale))"
    let zeros = String(repeating: "0", count: digits - fraction.count)
    return "\(whole / Int(scale)).\(zeros)\(fraction)"
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// microbenchmarks [--quick] [--json] [--growth] - what a packet costs, by its path: nanoseconds,
// instructions of user mode (where the machine counts them), allocations. With --growth only how
// that grows with the number of flows.

import JSONCoding

@main
struct Micro {
  static func main() {
    let words = CommandLine.arguments.dropFirst()
    if let unknown = words.first(where: { !["--quick", "--json", "--growth"].contains($0) }) {
      print(
        "microbenchmarks: unknown argument \(unknown)\n"
          + "usage: microbenchmarks [--quick] [--json] [--growth]")
      return
    }
    var measure = Measure()
    if words.contains("--quick") {
      measure.roundTime = 20_000_000
      measure.rounds = 3
    }
    let isJSON = words.contains("--json")
    if !isJSON { print(line("path", "flows", "ns", "instructions", "allocations")) }
    var samples: [Sample] = []
    let report = { (sample: Sample) in
      samples.append(sample)
      guard !isJSON else { return }
      print(
        line(
          sample.name, "\(sample.flows)", sample.nanoseconds.text(1),
          sample.instructions?.text(0) ?? "-", sample.allocations.text(3)))
    }
    if !words.contains("--growth") {
      Datagrams.run(measure, report)
      Streams.run(measure, report)
      Links.run(measure, report)
    }
    Growth.run(measure, report)
    guard isJSON, let bytes = try? JSONCoder.encode(samples) else { return }
    print(String(decoding: bytes, as: UTF8.self))
  }

  private static func line(
    _ name: String, _ flows: String, _ time: String, _ instructions: String, _ allocations: String
  ) -> String {
    pad(name, 48, left: true) + pad(flows, 8) + pad(time, 10) + pad(instructions, 14)
      + pad(allocations, 13)
  }

  private static func pad(_ text: String, _ width: Int, left: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, width - text.count))
    return left ? text + space : space + text
  }
}

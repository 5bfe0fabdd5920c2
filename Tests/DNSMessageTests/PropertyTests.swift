// SPDX-License-Identifier: Apache-2.0
import DNSMessage
import TestSupport
import Testing

@Suite("Properties of the parser", .timeLimit(.minutes(5)))
struct PropertyTests {
  /// Replaces, cuts, repeats and inserts, with a taste for pointers and lengths.
  private func mutate(_ bytes: [UInt8], with random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...6, using: &random) {
      guard !bytes.isEmpty else { return bytes }
      let index = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 2: bytes[index] = [0, 1, 63, 64, 0xC0, 0xFF].randomElement(using: &random) ?? 0
      case 3: bytes.removeLast(bytes.count - index)
      case 4: bytes.insert(contentsOf: [0xC0, UInt8(truncatingIfNeeded: index)], at: index)
      default: bytes += bytes[index...].prefix(40)
      }
    }
    return bytes
  }

  @Test("100,000 mutated messages: no trap, and what parses survives a round trip")
  func mutations() throws {
    var random = SeededGenerator(seed: 20)
    let records = try allRecords()
    let seeds = [
      DNSMessage(
        header: DNSHeader(id: 1, flags: 0x8180),
        questions: [DNSQuestion(name: try name("Host.example.com"), type: .any)],
        answers: records, edns: DNSEDNS(udpSize: 1232, options: [0, 10, 0, 2, 1, 2])
      ).encoded(),
      DNSMessage(
        query: DNSQuestion(name: try name("www.example.com"), type: .a), id: 2,
        edns: DNSEDNS(udpSize: 4096)
      ).encoded(),
      DNSMessage(header: DNSHeader(), authorities: records, additionals: records).encoded(),
    ]
    var parsed = 0
    for round in 0..<100_000 {
      let bytes = mutate(seeds[round % seeds.count], with: &random)
      let survey = try? DNSSurvey(bytes)
      if let survey {
        #expect(survey.end <= bytes.count)
        _ = survey.firstQuestion(of: bytes)
        _ = survey.edns(of: bytes)
      }
      guard let message = try? DNSMessage(parsing: bytes) else { continue }
      parsed += 1
      // The survey is the weaker check: whatever can be taken apart has one.
      #expect(survey != nil)
      if round % 8 == 0 {
        _ = message.description
        #expect(try DNSMessage(parsing: message.encoded()) == message)
      }
    }
    #expect(parsed > 5_000)
  }

  @Test("random octets never trap")
  func noise() {
    var random = SeededGenerator(seed: 21)
    for _ in 0..<20_000 {
      let count = Int.random(in: 0...200, using: &random)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      _ = try? DNSMessage(parsing: bytes)
      _ = try? DNSSurvey(bytes)
    }
  }

  @Test("the worst 64 KiB message is done in bounded time")
  func worstCase() {
    // As many names as fit, each behind the longest chain of pointers allowed.
    var bytes: [UInt8] = [0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0]
    var chain: [UInt8] = [0, 0]
    for step in 0..<126 {
      let target = 23 + 2 * step
      chain += [0xC0 | UInt8(target >> 8), UInt8(target & 255)]
    }
    bytes += [0, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, UInt8(chain.count)] + chain
    let last = bytes.count - 2
    while bytes.count < 65_520 {
      bytes += [0xC0 | UInt8(last >> 8), UInt8(last & 255), 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    }
    let clock = ContinuousClock()
    let spent = clock.measure {
      _ = try? DNSMessage(parsing: bytes)
      _ = try? DNSSurvey(bytes)
    }
    #expect(spent < .seconds(2))
  }
}

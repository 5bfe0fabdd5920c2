// SPDX-License-Identifier: Apache-2.0
//
// The last frames of a simulation as text similar to tcpdump's, printed for a seed that fails.

import Wire

@testable import NetStack

struct Trace {
  enum Way: String {
    case toStack = "guest > stack"
    case toGuest = "stack > guest"
  }

  enum Fate: String {
    case whole = ""
    case lost = "LOST"
    case corrupted = "CORRUPTED"
    case repeated = "repeated"
    case late = "late"
  }

  private var entries: [(at: UInt64, way: Way, head: [UInt8], length: Int, fate: Fate)] = []
  static let capacity = 400

  mutating func add(_ at: UInt64, _ way: Way, _ frame: [UInt8], _ fate: Fate) {
    if entries.count >= Self.capacity * 2 { entries.removeFirst(Self.capacity) }
    // The maximum length of headers.
    entries.append((at, way, Array(frame.prefix(14 + 60 + 60)), frame.count, fate))
  }

  /// One line per frame, the oldest first.
  var text: String {
    entries.suffix(Self.capacity).map { entry in
      let micros = String(entry.at / 1000 % 1_000_000)
      let time =
        "\(entry.at / 1_000_000_000)." + String(repeating: "0", count: 6 - micros.count) + micros
      let fate = entry.fate == .whole ? "" : "  \(entry.fate.rawValue)"
      return
        "\(time) \(entry.way.rawValue)  \(Self.segment(entry.head, length: entry.length))\(fate)"
    }.joined(separator: "\n")
  }

  private static func segment(_ frame: [UInt8], length: Int) -> String {
    frame.withByteView { view in
      let isV6 = view.count >= 74 && view.uint16(at: 12) == EtherType.ipv6 && view[20] == 6
      guard
        isV6 || view.count >= 54 && view.uint16(at: 12) == EtherType.ipv4 && view[23] == 6
      else { return "\(length) bytes, not TCP" }
      let start = isV6 ? 54 : 14 + Int(view[14] & 15) * 4
      guard start + 20 <= view.count else { return "\(length) bytes, cut" }
      let header = Int(view[start + 12] >> 4) * 4
      let flags = TCPFlags(rawValue: view[start + 13])
      let letters: [(TCPFlags, String)] = [
        (.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, "."),
      ]
      let shown = letters.filter { flags.contains($0.0) }.map(\.1).joined()
      let sequence = view.uint32(at: start + 4)
      let payload = max(0, length - start - header)
      var line = "[\(shown)] seq \(sequence):\(sequence &+ UInt32(payload))"
      if flags.contains(.ack) { line += " ack \(view.uint32(at: start + 8))" }
      line += " win \(view.uint16(at: start + 14)) length \(payload)"
      guard header >= 20, start + header <= view.count,
        let tcp = TCPPacket(checking: view.dropFirst(start))
      else { return line }
      let blocks = tcp.options.sackBlocks
      for index in 0..<blocks.count { line += " sack \(blocks[index].start)-\(blocks[index].end)" }
      return line
    }
  }
}

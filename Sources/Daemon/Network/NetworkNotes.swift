// SPDX-License-Identifier: Apache-2.0
//
// NetworkNotes: what a network's log knows of conflicts between its guests: the switch's warnings since its process
// started, each once. Reads a file: not for the loop.

import Platform

package enum NetworkNotes {
  /// Bytes of the log's end that are looked at.
  private static let window = 256 * 1024
  /// Notes of a network.
  private static let most = 8

  /// What a plugin that keeps names says of a guest that has none.
  private static let nameless = " does not get the name "
  /// And of one that has it by now, or wants it no more.
  private static let settled = [" now has the name ", " no longer asks for the name "]

  static func read(_ network: NetworkReport) -> [NetworkNote] {
    guard let host = network.host, let bytes = try? Files.tail(network.log, limit: window) else {
      return []
    }
    return notes(String(decoding: bytes, as: UTF8.self), network: network.name, since: host.since)
  }

  /// - Parameter since: the time of the first line that counts, as lines begin with it.
  package static func notes(_ log: String, network: String, since: String) -> [NetworkNote] {
    var notes: [NetworkNote] = []
    // Guests and names of refusals that hold no more.
    var over: Set<[Substring]> = []
    for line in log.split(separator: "\n").reversed() where notes.count < most {
      let parts = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
      // Times of one length, in UTC: their text is in their order. A start is noted in whole seconds or finer.
      guard parts.count == 4, parts[1] == "WARN" || parts[1] == "INFO" else { continue }
      let ended = settled.compactMap { claim(parts[3], $0) }
      let refused = claim(parts[3], nameless)
      let isNote = parts[1] == "WARN" && (parts[2] == "switch:" || refused != nil)
      guard isNote || !ended.isEmpty else { continue }
      guard parts[0].prefix(19) >= since.prefix(19) else { break }
      over.formUnion(ended)
      guard isNote, refused.map({ !over.contains($0) }) ?? true else { continue }
      if let refused { over.insert(refused) }
      let text = String(withoutCount(parts[3]))
      guard !notes.contains(where: { $0.text == text }) else { continue }
      notes.append(
        NetworkNote(
          network: network, time: String(parts[0]), text: text, remedy: remedy(for: text)))
    }
    return notes.reversed()
  }

  /// The guest and the name that a line of these words tells of.
  private static func claim(_ text: Substring, _ words: String) -> [Substring]? {
    guard let range = text.firstRange(of: words),
      let guest = text[..<range.lowerBound].split(separator: " ").last
    else { return nil }
    return [guest, text[range.upperBound...].prefix { $0 != ":" && $0 != " " }]
  }

  /// How many more there were is another number each time.
  private static func withoutCount(_ text: Substring) -> Substring {
    guard text.hasSuffix("were not logged)"), let open = text.lastIndex(of: "(") else {
      return text
    }
    return text[..<open].drop { $0 == " " }.trimmingSuffix(" ")
  }

  private static func remedy(for text: String) -> String? {
    if text.contains(" sends as ") || text.contains(" moved to ") {
      return "give each VM an Ethernet address of its own (QEMU: mac=52:55:55:...)"
    }
    if text.contains(" claims ") || text.contains(" sends from ") {
      return "let the guest have its address by DHCP, or configure one that nobody else has"
    }
    if text.contains(nameless) { return "give one of the two another host name" }
    if text.contains(" DHCP server") { return "stop the DHCP server in that guest" }
    if text.contains(" IPv6 router") { return "stop the router advertisements of that guest" }
    return nil
  }
}

extension Substring {
  fileprivate func trimmingSuffix(_ character: Character) -> Substring {
    var text = self
    while text.last == character { text.removeLast() }
    return text
  }
}

extension StatusReport {
  /// With the notes. Reads files: not on the loop.
  var noted: StatusReport {
    var report = self
    report.notes = networks.flatMap(NetworkNotes.read) + (notes ?? [])
    return report
  }
}

// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// What is needed of a hosts(5): which names it has, and the name of an address. The addresses of
/// a name the system tells by itself.
package struct HostsFile: Sendable {
  /// Octets that are read; of a longer file every name may be in the rest.
  static let maximumLength = 8 << 20

  /// Hashes of names: two that share one are both taken to be there, and the system knows better.
  private var hashes: Set<Int> = []
  private var canonical: [DNSAddress: DNSName] = [:]
  private let isWhole: Bool

  package init(parsing text: [UInt8]) {
    isWhole = text.count < Self.maximumLength
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let words = line.prefix { $0 != UInt8(ascii: "#") }
        .split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") || $0 == 0x0D }
      guard words.count >= 2,
        let address = DNSAddress(
          String(decoding: words[0].prefix { $0 != UInt8(ascii: "%") }, as: UTF8.self))
      else { continue }
      for (index, word) in words.dropFirst().enumerated() {
        guard let name = DNSName(String(decoding: word, as: UTF8.self)) else { continue }
        hashes.insert(name.hashValue)
        if index == 0, canonical[address] == nil { canonical[address] = name }
      }
    }
  }

  /// Whether the file has the name, or may have it.
  package func mayContain(_ name: DNSName) -> Bool {
    !isWhole || hashes.contains(name.hashValue)
  }

  /// The first name of the first line with the address, as gethostbyaddr(3) tells it.
  package func name(of address: DNSAddress) -> DNSName? { canonical[address] }
}

// SPDX-License-Identifier: Apache-2.0
//
// Addresses of stations: a value without clock and packets.

/// An Ethernet address.
public struct MAC: Hashable, Sendable, CustomStringConvertible {
  public let bytes: [UInt8]

  /// Nil if it has not 6 bytes, or is a group address.
  public init?(_ bytes: some Sequence<UInt8>) {
    self.bytes = Array(bytes)
    guard self.bytes.count == 6, self.bytes[0] & 1 == 0, self.bytes != [0, 0, 0, 0, 0, 0] else {
      return nil
    }
  }

  public var description: String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }
}

/// The addresses of a /24, except the gateway's.
public struct Pool: Sendable {
  public let gateway: [UInt8]
  private var hosts: [MAC: UInt8] = [:]
  private var taken: Set<UInt8> = []
  /// Maximum number of addresses of one guest.
  static let hostsOfOneGuest = 16

  public init(gateway: [UInt8]) { self.gateway = gateway }

  public var leases: [(mac: MAC, address: [UInt8])] {
    hosts.sorted { $0.value < $1.value }.map { ($0.key, address($0.value)) }
  }

  public func address(of mac: MAC) -> [UInt8]? { hosts[mac].map { address($0) } }

  /// The station's address, a new one if it has none. Nil if none is left.
  public mutating func lease(_ mac: MAC) -> [UInt8]? {
    if let host = hosts[mac] { return address(host) }
    guard let free = (UInt8(1)...254).first(where: { $0 != gateway[3] && !taken.contains($0) })
    else { return nil }
    hosts[mac] = free
    taken.insert(free)
    return address(free)
  }

  public mutating func release(_ mac: MAC) {
    guard let host = hosts.removeValue(forKey: mac) else { return }
    taken.remove(host)
  }

  private func address(_ host: UInt8) -> [UInt8] { gateway[..<3] + [host] }
}

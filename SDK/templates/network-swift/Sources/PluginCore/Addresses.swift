// SPDX-License-Identifier: Apache-2.0
//
// The addresses: the gateway's is an option, the guest's is another one of its /24.

import LimaNetdSDK

public struct Addresses: Sendable, Equatable {
  /// The address that answers ping.
  public let gateway: [UInt8]
  /// The guest's address.
  public let guest: [UInt8]

  /// Nil if it is no host address of a /24.
  public init?(gateway text: String) {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    let bytes = parts.compactMap { UInt8($0) }
    guard parts.count == 4, bytes.count == 4, (1..<255).contains(bytes[3]) else { return nil }
    gateway = bytes
    guest = bytes[..<3] + [bytes[3] == 15 ? 16 : 15]
  }

  init(_ options: Options) throws(PluginFailure) {
    guard let addresses = Addresses(gateway: try options.string("gateway") ?? "10.99.0.2") else {
      throw .invalid("/gateway", "not the address of a host in a /24")
    }
    self = addresses
  }

  static func text(_ address: [UInt8]) -> String {
    address.map { String($0) }.joined(separator: ".")
  }
}

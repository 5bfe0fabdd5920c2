// SPDX-License-Identifier: Apache-2.0
//
// One end of a UDP or TCP flow.

/// An address and a UDP or TCP port number.
public struct Endpoint: Hashable, Sendable, BitwiseCopyable {
  public var address: IPAddress
  public var port: UInt16

  @inlinable @inline(__always)
  public init(_ address: IPAddress, port: UInt16) {
    self.address = address
    self.port = port
  }
}

extension Endpoint: CustomStringConvertible {
  /// Reads `192.168.5.15:22` or `[fd00::2]:22`.
  public init?(_ text: some StringProtocol) {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    var host = text[..<colon]
    let digits = text[text.index(after: colon)...]
    guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      let port = UInt16(digits)
    else { return nil }
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    // IPv6 needs the brackets: without them `::1:80` is ambiguous.
    guard host.contains(":") == isBracketed, let address = IPAddress(host) else { return nil }
    self.init(address, port: port)
  }

  public var description: String {
    address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
  }
}

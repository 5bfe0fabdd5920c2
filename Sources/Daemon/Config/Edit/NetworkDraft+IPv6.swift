// SPDX-License-Identifier: Apache-2.0
//
// The IPv6 network that `network create` and `network edit` are given: the options `prefix6` and `gateway6`. Pure.

extension NetworkDraft {
  private static let prefixKey = "prefix6"
  private static let gatewayKey = "gateway6"

  /// Guests of a bridge have what its LAN gives.
  func refuseIPv6(_ mode: String) throws(Flaw) {
    if prefix6 != nil { throw .refuses(mode: mode, Self.prefixKey) }
    if gateway6 != nil { throw .refuses(mode: mode, Self.gatewayKey) }
  }

  /// What was given, as options to set.
  func changes6() throws(Flaw) -> [NetworksText.Change] {
    let network = try prefix()
    let router = try router(in: network)
    return [
      network.map { ("options.\(Self.prefixKey)", "\($0)") },
      router.map { ("options.\(Self.gatewayKey)", $0.address) },
    ].compactMap { $0 }
  }

  /// A gateway of another network goes with that one; a gateway that is given is held against the network that stays.
  func completion6(of before: NetworkConfiguration) throws(Flaw) -> [NetworksText.Change] {
    let options = before.settings.options
    if mode == "bridged" {
      return [Self.prefixKey, Self.gatewayKey].filter { options[$0] != nil }
        .map { ("options.\($0)", nil) }
    }
    if let network = try prefix(), gateway6 == nil, case .string(let text)? = options["gateway6"],
      IPv6Network("\(text)/64")?.network != network
    {
      return [("options.\(Self.gatewayKey)", nil)]
    }
    if prefix6 == nil, case .string(let text)? = options["prefix6"], let stays = IPv6Network(text) {
      _ = try router(in: stays)
    }
    return []
  }

  private func prefix() throws(Flaw) -> IPv6Network? {
    guard let prefix6 else { return nil }
    guard let network = IPv6Network(prefix6), network.prefixLength == 64,
      network.network == network, network.isForGuests
    else { throw .notPrefix6(prefix6) }
    return network
  }

  /// - Parameter network: nil: any.
  private func router(in network: IPv6Network?) throws(Flaw) -> IPv6Network? {
    guard let gateway6 else { return nil }
    guard let address = IPv6Network("\(gateway6)/64"), address.isForGuests, address.low != 0 else {
      throw .notGateway6(gateway6)
    }
    if let network, address.network != network { throw .outside6(gateway6, network) }
    return address
  }
}

extension IPv6Network {
  /// Unicast that is no interface's by itself: what the plugins take, too.
  var isForGuests: Bool { high >> 56 != 0xff && !isLinkLocal && (high, low) != (0, 0) && high != 0 }

  /// A unique local network of 64 bits, the first subnet of its global identifier (RFC 4193 §3.1).
  /// - Parameter identifier: random (§3.2.2); its low 40 bits count.
  package static func uniqueLocal(identifier: UInt64) -> IPv6Network {
    // 64 is no more than 128.
    IPv6Network(
      high: 0xfd << 56 | (identifier & 0xff_ffff_ffff) << 16, low: 0, prefixLength: 64
    ).unsafelyUnwrapped
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Networks of mode `host` are closed: their guests and the host reach each other, guests of other networks do not reach
// them. The host's kernel would route what a user-mode network sends for its guests, so that each other network is told
// which these are (option `closedNetworks`).

import HostProtocol

extension Configuration {
  /// With `closedNetworks` of every network: what the file leaves open for the others.
  func closingHostNetworks() -> Configuration {
    let closed = networks.filter { $0.settings.mode == "host" && $0.peerSocket == nil }
      .map { (name: $0.name, addresses: HostTapRequest($0)?.addresses ?? []) }
    guard !closed.isEmpty else { return self }
    var result = self
    for index in networks.indices {
      result.networks[index].settings.closedNetworks =
        closed.filter { $0.name != networks[index].name }.flatMap(\.addresses)
    }
    return result
  }
}

extension HostTapRequest {
  /// The host's addresses on the network, with prefix length: "192.168.106.1/24", "fd12:3456:789a::1/64".
  fileprivate var addresses: [String] {
    guard case .address(let address) = place else { return [] }
    return [address] + (address6.map { [$0] } ?? [])
  }
}

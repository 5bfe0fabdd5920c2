// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the control API's other requests, and leases.

import HostProtocol

/// Body of every answer with a 4xx or 5xx status: {"error":{"code":...,"message":...}}.
package struct ErrorBody: Codable, Sendable {
  package var error: ErrorReport

  package init(error: ErrorReport) {
    self.error = error
  }
}

/// `code` is one of HostProtocol's ("NOT_FOUND", "EXISTS", "INVALID_CONFIG", ...); `message` is a sentence for users.
package struct ErrorReport: Codable, Sendable, Hashable, Error, CustomStringConvertible {
  package var code: String
  package var message: String

  package init(code: String, message: String) {
    self.code = code
    self.message = message
  }

  package init(_ code: HostError.Code, _ message: String) {
    self.init(code: code.rawValue, message: message)
  }

  package var description: String { message }
}

/// PATCH /v1/networks/NAME/guests/GUEST: the guest's new name.
package struct GuestChange: Codable, Sendable {
  package var name: String

  package init(name: String) { self.name = name }
}

/// GET /v1/leases and /v1/networks/NAME/leases return arrays of these.
package struct LeaseReport: Codable, Sendable, Hashable {
  package var network: String
  package var address: String
  package var mac: String?
  package var name: String?
  package var hostname: String?
  /// "bound", "offered", "static" or "declined"; "auto": an IPv6 address configured by the guest itself.
  package var state: String?
  /// Seconds from now; nil: never.
  package var expires: Int?
}

/// The configuration of a guest without DHCP: the JSON object of lnd_plugin_lease.reserve.
package struct LeaseOffer: Codable, Sendable, Hashable {
  package var address: String
  package var prefixLength: Int
  package var gateway: String?
  package var dns: [String]
  package var mtu: Int?
  package var search: [String]
  /// Nil if the network has no IPv6.
  package var ipv6: IPv6Offer?

  /// The network's DNS servers of both families, IPv4 first.
  package var servers: [String] { dns + (ipv6?.dns ?? []) }

  package init(
    address: String, prefixLength: Int, gateway: String?, dns: [String], mtu: Int?,
    search: [String], ipv6: IPv6Offer? = nil
  ) {
    self.address = address
    self.prefixLength = prefixLength
    self.gateway = gateway
    self.dns = dns
    self.mtu = mtu
    self.search = search
    self.ipv6 = ipv6
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.address = try container.decode(String.self, forKey: .address)
    self.prefixLength = try container.decode(Int.self, forKey: .prefixLength)
    self.gateway = try container.decodeIfPresent(String.self, forKey: .gateway)
    self.dns = try container.decodeIfPresent([String].self, forKey: .dns) ?? []
    self.mtu = try container.decodeIfPresent(Int.self, forKey: .mtu)
    self.search = try container.decodeIfPresent([String].self, forKey: .search) ?? []
    self.ipv6 = try container.decodeIfPresent(IPv6Offer.self, forKey: .ipv6)
  }
}

/// The same for IPv6.
package struct IPv6Offer: Codable, Sendable, Hashable {
  package var address: String
  package var prefixLength: Int
  /// The router's link-local address; nil if there is none.
  package var gateway: String?
  /// Whether the router leads beyond the network now, so that it is a default route.
  package var hasRoute: Bool
  package var dns: [String]

  package init(
    address: String, prefixLength: Int, gateway: String?, hasRoute: Bool, dns: [String] = []
  ) {
    self.address = address
    self.prefixLength = prefixLength
    self.gateway = gateway
    self.hasRoute = hasRoute
    self.dns = dns
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    address = try container.decode(String.self, forKey: .address)
    prefixLength = try container.decode(Int.self, forKey: .prefixLength)
    gateway = try container.decodeIfPresent(String.self, forKey: .gateway)
    hasRoute = try container.decodeIfPresent(Bool.self, forKey: .hasRoute) ?? false
    dns = try container.decodeIfPresent([String].self, forKey: .dns) ?? []
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Bodies of the control API's other requests, and the messages of the attach socket.

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

  package var description: String { message }
}

/// A socket of the host that leads into a guest. POST and DELETE /v1/networks/NAME/forwards take one
/// (DELETE looks at `protocol` and `host` only), POST answers with the forward as it came to be, with the port that was
/// chosen for port 0; GET gives an array.
package struct Forward: Codable, Sendable, Hashable {
  /// "tcp", "udp" or "unix".
  package var `protocol`: String
  /// "127.0.0.1:8080", "[::1]:8080", or an absolute path for "unix".
  package var host: String
  /// "192.168.5.15:80"; nil in DELETE.
  package var guest: String?
  /// Which guest of an isolated network; "" is the only one, or the first.
  package var guestName: String
  /// Under which address the guest sees clients: "client" (their own, where an answer would come back) or "gateway"; nil:
  /// as the network's options say.
  package var source: String?
  /// Open connections, where the plugin counts them. Only in answers.
  package var connections: Int?
  /// Why it does not work at present: the port is taken, the address is not there yet. It is tried again, unless it makes no
  /// sense. Only in answers.
  package var error: String?

  package init(
    protocol: String, host: String, guest: String?, guestName: String = "",
    source: String? = nil, connections: Int? = nil, error: String? = nil
  ) {
    self.protocol = `protocol`
    self.host = host
    self.guest = guest
    self.guestName = guestName
    self.source = source
    self.connections = connections
    self.error = error
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.protocol = try container.decodeIfPresent(String.self, forKey: .protocol) ?? "tcp"
    self.host = try container.decode(String.self, forKey: .host)
    self.guest = try container.decodeIfPresent(String.self, forKey: .guest)
    self.guestName = try container.decodeIfPresent(String.self, forKey: .guestName) ?? ""
    self.source = try container.decodeIfPresent(String.self, forKey: .source)
    self.connections = try container.decodeIfPresent(Int.self, forKey: .connections)
    self.error = try container.decodeIfPresent(String.self, forKey: .error)
  }
}

/// GET /v1/leases and /v1/networks/NAME/leases give arrays of these.
package struct LeaseReport: Codable, Sendable, Hashable {
  package var network: String
  package var address: String
  package var mac: String?
  package var name: String?
  package var hostname: String?
  /// "bound", "offered", "static" or "declined".
  package var state: String?
  /// Seconds from now; nil: never.
  package var expires: Int?
}

/// First message of a client of the attach socket; the TAP's fd comes with it by SCM_RIGHTS.
package struct AttachRequest: Codable, Sendable {
  package var network: String
  package var name: String
  /// "52:55:55:12:34:56", or nil if the caller does not know it.
  package var mac: String?
  package var mtu: Int
  package var vnetHeader: Bool
  /// False: the guest configures itself, and a network that gives no addresses will do.
  package var needsLease: Bool

  package init(
    network: String, name: String, mac: String?, mtu: Int, vnetHeader: Bool,
    needsLease: Bool = true
  ) {
    self.network = network
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.vnetHeader = vnetHeader
    self.needsLease = needsLease
  }
}

/// The answer. The guest is attached as long as both ends keep the connection open.
package struct AttachReply: Codable, Sendable {
  package var ok: Bool
  package var guest: UInt64?
  package var lease: LeaseOffer?
  package var error: ErrorReport?

  package init(guest: UInt64, lease: LeaseOffer?) {
    self.ok = true
    self.guest = guest
    self.lease = lease
  }

  package init(error: ErrorReport) {
    self.ok = false
    self.error = error
  }
}

/// What a guest without DHCP configures: the JSON object of lnd_plugin_lease.reserve.
package struct LeaseOffer: Codable, Sendable, Hashable {
  package var address: String
  package var prefixLength: Int
  package var gateway: String?
  package var dns: [String]
  package var mtu: Int?
  package var search: [String]

  package init(
    address: String, prefixLength: Int, gateway: String?, dns: [String], mtu: Int?, search: [String]
  ) {
    self.address = address
    self.prefixLength = prefixLength
    self.gateway = gateway
    self.dns = dns
    self.mtu = mtu
    self.search = search
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.address = try container.decode(String.self, forKey: .address)
    self.prefixLength = try container.decode(Int.self, forKey: .prefixLength)
    self.gateway = try container.decodeIfPresent(String.self, forKey: .gateway)
    self.dns = try container.decodeIfPresent([String].self, forKey: .dns) ?? []
    self.mtu = try container.decodeIfPresent(Int.self, forKey: .mtu)
    self.search = try container.decodeIfPresent([String].self, forKey: .search) ?? []
  }
}

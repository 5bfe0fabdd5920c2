// SPDX-License-Identifier: Apache-2.0
//
// Forwards: /v1/networks/NAME/forwards, and in the reports of networks and instances, with the same states.

/// The state of a forward, with the same names in `forward ls`, `network inspect`, `instance ls` and `inspect`, and the
/// API.
package enum ForwardState: String, Codable, Sendable, CaseIterable {
  /// It listens, and as far as is known its guest is connected.
  case open
  /// It is not usable now, and will be without a user's action when the condition in `reason` ends: the network is stopped,
  /// the guest is disconnected, the port is in use.
  case waiting
  /// It is not usable until a user changes the cause in `reason`.
  case failed
}

/// A socket of the host that leads to a guest. The body of POST and DELETE /v1/networks/NAME/forwards (DELETE uses
/// `protocol` and `host` only). POST returns the forward, with the port number chosen for 0; GET returns an array.
package struct Forward: Codable, Sendable, Hashable {
  /// "tcp", "udp" or "unix".
  package var `protocol`: String
  /// "127.0.0.1:8080", "[::1]:8080", or an absolute path for "unix".
  package var host: String
  /// "192.168.5.15:80"; nil in DELETE.
  package var guest: String?
  /// The guest of an isolated network; "" is the only one, or the first.
  package var guestName: String
  /// The source address that the guest sees: "client" (the client's own, if answers to it are routed back) or "gateway";
  /// nil: by the network's options.
  package var source: String?
  /// Removed when the daemon ends; default (also in answers): false, kept until it is removed.
  package var temporary: Bool?
  /// Number of open connections, or clients of UDP, if the plugin counts them. Only in answers about one network.
  package var connections: Int?
  /// Only in answers.
  package var state: ForwardState?
  /// Why it is not open. Only in answers.
  package var reason: String?
  /// The reason, if it is an error of the forward itself: the port is in use, the host has no such address. Only in
  /// answers.
  package var error: String?

  package init(
    protocol: String, host: String, guest: String?, guestName: String = "",
    source: String? = nil, temporary: Bool? = nil, connections: Int? = nil,
    state: ForwardState? = nil,
    reason: String? = nil, error: String? = nil
  ) {
    self.protocol = `protocol`
    self.host = host
    self.guest = guest
    self.guestName = guestName
    self.source = source
    self.temporary = temporary
    self.connections = connections
    self.state = state
    self.reason = reason
    self.error = error
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.protocol = try container.decodeIfPresent(String.self, forKey: .protocol) ?? "tcp"
    self.host = try container.decode(String.self, forKey: .host)
    self.guest = try container.decodeIfPresent(String.self, forKey: .guest)
    self.guestName = try container.decodeIfPresent(String.self, forKey: .guestName) ?? ""
    self.source = try container.decodeIfPresent(String.self, forKey: .source)
    self.temporary = try container.decodeIfPresent(Bool.self, forKey: .temporary)
    self.connections = try container.decodeIfPresent(Int.self, forKey: .connections)
    self.state = try container.decodeIfPresent(ForwardState.self, forKey: .state)
    self.reason = try container.decodeIfPresent(String.self, forKey: .reason)
    self.error = try container.decodeIfPresent(String.self, forKey: .error)
  }
}

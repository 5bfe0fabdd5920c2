// SPDX-License-Identifier: Apache-2.0
//
// Forwards: /v1/networks/NAME/forwards, and in the reports of networks and instances. All of them have the same states.

/// How a forward is. The same words everywhere: `forward ls`, `network inspect`, `instance ls` and `inspect`, the API.
package enum ForwardState: String, Codable, Sendable, CaseIterable {
  /// It listens, and as far as is known its guest is there.
  case open
  /// It leads nowhere now, and will without anybody's doing once what `reason` says is over: the network is stopped, the
  /// guest is away, the port is taken.
  case waiting
  /// It leads nowhere until somebody changes what `reason` says.
  case failed
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
  /// It lasts until the daemon ends, not until it is removed; nil, in POST and in answers: false.
  package var temporary: Bool?
  /// Open connections, or clients of UDP, where the plugin counts them and the network was asked. Only in answers.
  package var connections: Int?
  /// Only in answers.
  package var state: ForwardState?
  /// Why it is not open. Only in answers.
  package var reason: String?
  /// The reason, where it is a fault of the forward's own: the port is taken, the address is not there. Only in answers.
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

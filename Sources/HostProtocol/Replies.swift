// SPDX-License-Identifier: Apache-2.0
//
// What a network's process answers, and tells unasked.

import JSONCoding

package enum HostReply: Codable, Hashable, Sendable {
  case ok
  /// What a plugin wrote, or a list of the host's own.
  case json(JSONValue)
  /// Of a list that is too long for one message.
  case part(ListingPart)
  case resolved(Resolved)
  case status(HostStatus)
  case failed(HostError)
}

package enum HostEvent: Codable, Hashable, Sendable {
  /// A guest's link ended, or its fd came to nothing.
  case portGone(id: UInt64, reason: String)
  /// A guest showed up on a unixgram listener. `id` counts within the process
  /// from 2^32, so that it never meets an id of the supervisor.
  /// `address`: its socket's path, or "@" and an abstract name.
  case guestUp(id: UInt64, name: String, listener: UInt64, address: String)
  case guestGone(id: UInt64)
  /// Guests have taken or left addresses or names; many changes within 100 ms are one event.
  case leasesChanged
  /// What a plugin says of itself (`lnd_host.report`).
  case pluginReport(PluginReport)
  /// The process gives up and exits.
  case fatal(HostError)
}

package struct PluginReport: Codable, Hashable, Sendable {
  /// "network", "dns"
  package var kind: String
  package var plugin: String
  /// "ok", "connecting", "degraded", "failed"
  package var state: String
  /// One line, or "".
  package var text: String

  package init(kind: String, plugin: String, state: String, text: String) {
    self.kind = kind
    self.plugin = plugin
    self.state = state
    self.text = text
  }
}

package struct Resolved: Codable, Hashable, Sendable {
  /// The answer, a whole DNS message, in base 64.
  package var message: String
  package var milliseconds: Double
  /// Who answered: a DNS plugin's name, "names" for what the network owns, "cache"; nil when the
  /// host does not say.
  package var source: String?

  package init(message: String, milliseconds: Double, source: String? = nil) {
    self.message = message
    self.milliseconds = milliseconds
    self.source = source
  }
}

/// Why something cannot be.
package struct HostError: Error, Codable, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Codable, Hashable, Sendable {
    case invalidConfig = "INVALID_CONFIG"
    case unsupported = "UNSUPPORTED"
    case notFound = "NOT_FOUND"
    case exists = "EXISTS"
    case busy = "BUSY"
    case limit = "LIMIT"
    case timeout = "TIMEOUT"
    /// The other side said no: a guest's RST.
    case refused = "REFUSED"
    /// By policy, or by the process's confinement.
    case denied = "DENIED"
    case system = "SYSTEM"
    case `internal` = "INTERNAL"
    /// A stream cannot be resumed: nobody knows where its next frame begins.
    case boundary = "BOUNDARY"
  }

  package var code: Code
  package var message: String
  /// RFC 6901, of the option at fault.
  package var jsonPointer: String?
  /// Who says so: a plugin's name, or nil for the host.
  package var plugin: String?

  package init(
    _ code: Code, _ message: String, jsonPointer: String? = nil, plugin: String? = nil
  ) {
    self.code = code
    self.message = message
    self.jsonPointer = jsonPointer
    self.plugin = plugin
  }

  package var description: String {
    let from = plugin.map { " (plugin \($0))" } ?? ""
    let at = jsonPointer.map { "options\($0.replacingSlashes): " } ?? ""
    return at + message + from
  }
}

extension String {
  /// "/gateway/x" as ".gateway.x" (RFC 6901: ~1 is "/", ~0 is "~").
  fileprivate var replacingSlashes: String {
    var result = ""
    var escaped = false
    for character in self {
      switch (escaped, character) {
      case (true, "1"): result.append("/")
      case (true, "0"): result.append("~")
      case (false, "/"): result.append(".")
      case (false, "~"): break
      default: result.append(character)
      }
      escaped = !escaped && character == "~"
    }
    return result
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The replies of a network process, and its events.

import JSONCoding

package enum HostReply: Codable, Hashable, Sendable {
  case ok
  /// JSON from a plugin, or a list of the process's own.
  case json(JSONValue)
  /// A part of a list that exceeds one message.
  case part(ListingPart)
  case resolved(Resolved)
  case status(HostStatus)
  case failed(HostError)
}

package enum HostEvent: Codable, Hashable, Sendable {
  /// A guest's link ended, or could not be used.
  case portGone(id: UInt64, reason: String)
  /// A guest appeared on a unixgram listener. `id` is assigned by the process from 2^32 on, so that it never equals
  /// an id of the supervisor. `address`: its socket's path, or "@" and an abstract name.
  case guestUp(id: UInt64, name: String, listener: UInt64, address: String)
  case guestGone(id: UInt64)
  /// Addresses or names of guests changed; changes within 100 ms are one event.
  case leasesChanged
  /// A plugin's report of its state (`lnd_host.report`).
  case pluginReport(PluginReport)
  /// The process cannot continue and exits.
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
  /// The answer, a complete DNS message, in base 64.
  package var message: String
  package var milliseconds: Double
  /// The source of the answer: a DNS plugin's name, "names" for owned names, "cache"; nil: not reported.
  package var source: String?

  package init(message: String, milliseconds: Double, source: String? = nil) {
    self.message = message
    self.milliseconds = milliseconds
    self.source = source
  }
}

/// Why a request failed.
package struct HostError: Error, Codable, Hashable, Sendable, CustomStringConvertible {
  package enum Code: String, Codable, Hashable, Sendable {
    case invalidConfig = "INVALID_CONFIG"
    case unsupported = "UNSUPPORTED"
    case notFound = "NOT_FOUND"
    case exists = "EXISTS"
    case busy = "BUSY"
    case limit = "LIMIT"
    case timeout = "TIMEOUT"
    /// Refused by the other side: a guest's RST.
    case refused = "REFUSED"
    /// By policy, or by the process's confinement.
    case denied = "DENIED"
    case system = "SYSTEM"
    case `internal` = "INTERNAL"
    /// A stream cannot be resumed: its next frame boundary is unknown.
    case boundary = "BOUNDARY"
  }

  package var code: Code
  package var message: String
  /// RFC 6901, of the option in error.
  package var jsonPointer: String?
  /// The source of the error: a plugin's name, or nil for the network process.
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

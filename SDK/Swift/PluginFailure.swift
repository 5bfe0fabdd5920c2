// SPDX-License-Identifier: Apache-2.0
//
// The reason why a callback failed, in the form that the host shows to users. Trampolines pass a thrown PluginFailure to
// `lnd_host.fail`.

import PluginAPI

/// A failure of a callback.
///
/// With a JSON pointer the user reads `networks.lab.options.gateway: not inside 10.0.0.0/24 (plugin slirp)`.
public struct PluginFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// One of `LND_ERR_*`.
  public var status: lnd_status
  /// One sentence without a final dot: what is wrong, then the remedy.
  public var text: String
  /// RFC 6901 pointer of the option that causes it, as `/gateway`.
  public var jsonPointer: String?

  public init(_ status: lnd_status, _ text: String, jsonPointer: String? = nil) {
    self.status = status
    self.text = text
    self.jsonPointer = jsonPointer
  }

  /// An invalid option.
  public static func invalid(_ jsonPointer: String?, _ text: String) -> PluginFailure {
    PluginFailure(LND_ERR_INVALID_CONFIG, text, jsonPointer: jsonPointer)
  }

  /// A system call failed.
  public static func system(_ text: String) -> PluginFailure {
    PluginFailure(lnd_status(LND_ERR_SYSTEM), text)
  }

  public var description: String {
    if let jsonPointer { return "\(jsonPointer): \(text)" }
    return text
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Why a callback failed, in the form the host shows to users. Trampolines turn
// a thrown PluginFailure into `lnd_host.fail`.

import PluginAPI

/// A failure of a callback.
///
/// With a JSON pointer the user reads
/// `networks.lab.options.gateway: not inside 10.0.0.0/24 (plugin slirp)`.
public struct PluginFailure: Error, Sendable, Equatable, CustomStringConvertible {
  /// One of `LND_ERR_*`.
  public var status: lnd_status
  /// One sentence without a final dot: what is wrong, then what to do.
  public var text: String
  /// RFC 6901 pointer of the option at fault, as `/gateway`.
  public var jsonPointer: String?

  public init(_ status: lnd_status, _ text: String, jsonPointer: String? = nil) {
    self.status = status
    self.text = text
    self.jsonPointer = jsonPointer
  }

  /// An option that cannot work.
  public static func invalid(_ jsonPointer: String?, _ text: String) -> PluginFailure {
    PluginFailure(LND_ERR_INVALID_CONFIG, text, jsonPointer: jsonPointer)
  }

  /// The kernel said no.
  public static func system(_ text: String) -> PluginFailure {
    PluginFailure(lnd_status(LND_ERR_SYSTEM), text)
  }

  public var description: String {
    if let jsonPointer { return "\(jsonPointer): \(text)" }
    return text
  }
}

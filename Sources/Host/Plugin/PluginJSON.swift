// SPDX-License-Identifier: Apache-2.0
//
// Validation of JSON written by a plugin.

import JSONCoding

enum PluginJSON {
  /// The value; nil, with a log message, if the bytes are not JSON.
  static func checked(_ bytes: [UInt8], _ bridge: PluginBridge) -> JSONValue? {
    do throws(JSONSyntaxError) {
      return bridge.log.secrets.masked(try JSONValue(parsing: bytes))
    } catch {
      bridge.log.warning(bridge.component, "wrote what is \(error)")
      return nil
    }
  }
}

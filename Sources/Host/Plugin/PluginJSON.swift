// SPDX-License-Identifier: Apache-2.0
//
// JSON that a plugin wrote: passed on only if it is JSON.

import JSONCoding

enum PluginJSON {
  /// The value; nil, with a line in the log, when they are not JSON.
  static func checked(_ bytes: [UInt8], _ bridge: PluginBridge) -> JSONValue? {
    do throws(JSONSyntaxError) {
      return bridge.log.secrets.masked(try JSONValue(parsing: bytes))
    } catch {
      bridge.log.warning(bridge.component, "wrote what is \(error)")
      return nil
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The configuration common to all kinds of instances, and the parts of the trampolines common to all kinds.

import PluginAPI

extension Tables {
  static func config(_ raw: UnsafePointer<lnd_instance_config>?) throws(PluginFailure)
    -> (network: String, mode: String, instance: String, options: Options, stateDirectory: String)
  {
    guard let raw, let config = read(raw, as: lnd_instance_config.self) else {
      throw PluginFailure(LND_ERR_INTERNAL, "the host gave no configuration")
    }
    return (
      text(config.network), text(config.mode), text(config.instance),
      try Options(parsing: config.options, length: config.options_length),
      text(config.state_directory)
    )
  }
}

extension HostContext {
  /// Calls the plugin's `start`; a failure is reported to the host.
  func starting(_ op: lnd_op, _ body: (lnd_op) throws(PluginFailure) -> Void) -> lnd_status {
    do {
      try body(op)
      return LND_OK
    } catch {
      return fail(error)
    }
  }
}

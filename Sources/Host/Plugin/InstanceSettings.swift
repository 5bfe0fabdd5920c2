// SPDX-License-Identifier: Apache-2.0
//
// The settings of an instance of any kind (lnd_instance_config), passed to validate and create, and to reconfigure while it
// runs.

import HostProtocol
import PluginAPI

struct InstanceSettings {
  /// Name of the network.
  var network: String
  /// "" for a DNS plugin.
  var mode = ""
  /// Unique within the network.
  var instance: String
  /// A JSON object, validated by the plugin's schema, with defaults filled in.
  var options: String
  /// "": none.
  var stateDirectory = ""

  func withConfig<Value>(_ body: (UnsafePointer<lnd_instance_config>) -> Value) -> Value {
    network.withCString { network in
      mode.withCString { mode in
        instance.withCString { instance in
          options.withCString { text in
            stateDirectory.withCString { folder in
              var config = lnd_instance_config()
              config.size = UInt32(MemoryLayout<lnd_instance_config>.stride)
              config.network = network
              config.mode = mode
              config.instance = instance
              config.options = text
              config.options_length = UInt64(options.utf8.count)
              config.state_directory = folder
              return body(&config)
            }
          }
        }
      }
    }
  }
}

extension PluginBridge {
  /// - Throws: the plugin's objection; nothing if it has no `validate`.
  func validate(_ plugin: Module.Descriptor, _ settings: InstanceSettings) throws(HostError) {
    let checked: Result<Void, HostError> = settings.withConfig { config in
      Result { () throws(HostError) in
        if let validate = callbacks.validate {
          try attempt("validate") { validate(plugin.original, table, config) }
        }
      }
    }
    try checked.get()
  }

  /// Calls validate and create.
  func create(_ plugin: Module.Descriptor, _ settings: InstanceSettings) throws(HostError) {
    let created: Result<Void, HostError> = settings.withConfig { config in
      Result { () throws(HostError) in
        if let validate = callbacks.validate {
          try attempt("validate") { validate(plugin.original, table, config) }
        }
        try create { callbacks.create?(plugin.original, table, config) }
      }
    }
    try created.get()
  }

  /// Changes the options of a running instance.
  /// - Throws: the plugin's objection; the old options stay in effect. `unsupported`: they take effect at its next start.
  func reconfigure(_ settings: InstanceSettings) throws(HostError) {
    guard let reconfigure = callbacks.reconfigure, let instance, isStarted else {
      throw HostError(.unsupported, "its options hold from its next start on", plugin: name)
    }
    let done: Result<Void, HostError> = settings.withConfig { config in
      Result { () throws(HostError) in
        try attempt("reconfigure") { reconfigure(instance, config) }
      }
    }
    try done.get()
  }
}

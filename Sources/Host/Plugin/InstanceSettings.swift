// SPDX-License-Identifier: Apache-2.0
//
// What an instance of any kind is to be (lnd_instance_config), and its way through validate and create, and through
// reconfigure while it runs.

import HostProtocol
import PluginAPI

struct InstanceSettings {
  /// The name of the network.
  var network: String
  /// "" but for a network plugin.
  var mode = ""
  /// No other instance of the network has it.
  var instance: String
  /// One JSON object, checked against the plugin's schema, defaults filled in.
  var options: String
  /// "": there is none.
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
  /// - Throws: what the plugin says against them; one without `validate` says nothing.
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

  /// validate, create.
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

  /// Has other options hold while it runs.
  /// - Throws: why they do not; what held goes on. `unsupported`: only from its next start on.
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

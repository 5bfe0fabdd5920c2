// SPDX-License-Identifier: Apache-2.0
//
// The descriptor of a file. A plugin's entry is, in whole:
//
//     private let module = Module(
//       id: "org.example.vpn", version: "1.0.0", license: "Apache-2.0",
//       plugins: [.network(VPN.self, name: "vpn", summary: "...", modes: ["vpn"])])
//
//     @c @implementation
//     public func lima_netd_module_v1(_ host: UnsafePointer<lnd_host_info>?)
//       -> UnsafePointer<lnd_module>?
//     { module.pointer }
//
// Tables and texts are STATIC: made once, never freed.

import PluginAPI

/// The module of a file.
public struct Module: Sendable {
  // Written once, before it is used, and constant afterwards, so that every thread may read it.
  public nonisolated(unsafe) let pointer: UnsafePointer<lnd_module>

  public init(
    id: String, version: String, license: String, url: String? = nil,
    requiresHost: String? = nil, plugins: [PluginDescriptor]
  ) {
    var module = lnd_module()
    module.size = UInt32(MemoryLayout<lnd_module>.size)
    module.abi_minor = UInt32(LND_ABI_MINOR)
    module.id = Tables.immortal(text: id)
    module.version = Tables.immortal(text: version)
    module.license = Tables.immortal(text: license)
    module.url = url.map(Tables.immortal(text:))
    module.requires_host = requiresHost.map(Tables.immortal(text:))
    module.plugin_count = UInt32(plugins.count)
    module.plugins = Tables.immortal(array: plugins.map { $0.makeTable() })
    pointer = Tables.immortal(module)
  }
}

/// One plugin of a file.
public struct PluginDescriptor {
  var registration: Registration
  var name: String
  var summary: String
  var modes: [String]
  var isolated: Bool
  var needsTap = false
  var plainFrames = false
  var schema: String?

  /// A network plugin. Its extensions are the protocols that its class conforms to: `ForwardExtension`, `LeaseExtension`,
  /// `ConnectExtension`, `GuestsExtension`.
  ///
  /// - Parameters:
  ///   - name: `[a-z][a-z0-9-]{0,31}`, as in the file's name.
  ///   - modes: the values of `mode:` that it serves.
  ///   - isolated: each guest has its own port to the plugin and reaches no other guest.
  ///   - needsTap: the supervisor makes a TAP device for it; see `HostTap`.
  ///   - plainFrames: `rx` gets no GSO frames and only complete checksums.
  ///   - schema: JSON Schema of `options:`; nil if it takes none.
  public static func network(
    _ type: NetworkPlugin.Type, name: String, summary: String, modes: [String],
    isolated: Bool = false, needsTap: Bool = false, plainFrames: Bool = false, schema: String? = nil
  ) -> PluginDescriptor {
    PluginDescriptor(
      registration: Registration(network: type), name: name, summary: summary, modes: modes,
      isolated: isolated, needsTap: needsTap, plainFrames: plainFrames, schema: schema)
  }

  /// A DNS plugin; parameters as for `network`.
  public static func dns(
    _ type: DNSPlugin.Type, name: String, summary: String, schema: String? = nil
  ) -> PluginDescriptor {
    PluginDescriptor(
      registration: Registration(dns: type), name: name, summary: summary, modes: [],
      isolated: false, schema: schema)
  }

  func makeTable() -> UnsafePointer<lnd_plugin>? {
    let isNetwork = registration.network != nil
    var plugin = lnd_plugin()
    plugin.size = UInt32(MemoryLayout<lnd_plugin>.size)
    plugin.flags =
      (isolated ? LND_NETWORK_ISOLATED : 0) | (needsTap ? LND_NETWORK_TAP : 0)
      | (plainFrames ? LND_NETWORK_PLAIN : 0)
    plugin.kind = Tables.immortal(text: isNetwork ? LND_KIND_NETWORK : LND_KIND_DNS)
    plugin.name = Tables.immortal(text: name)
    plugin.summary = Tables.immortal(text: summary)
    if isNetwork {
      let texts: [UnsafePointer<CChar>?] = modes.map(Tables.immortal(text:)) + [nil]
      plugin.modes = Tables.immortal(array: texts)
      plugin.ops = UnsafeRawPointer(Tables.immortal(NetworkPlugin.makeOps()))
    } else {
      plugin.ops = UnsafeRawPointer(Tables.immortal(DNSPlugin.makeOps()))
    }
    plugin.options_schema = schema.map(Tables.immortal(text:))
    plugin.user = UnsafeMutableRawPointer(mutating: Tables.immortal(registration))
    plugin.get_extension = { plugin, id in
      guard let plugin, let id else { return nil }
      return Registration.of(plugin).extensionTable(String(cString: id))
    }
    return Tables.immortal(plugin)
  }
}

/// The target of `lnd_plugin.user`: the class to instantiate and the tables of its extensions.
struct Registration {
  var network: NetworkPlugin.Type?
  var dns: DNSPlugin.Type?
  private var forward: UnsafePointer<lnd_plugin_forward>?
  private var lease: UnsafePointer<lnd_plugin_lease>?
  private var connect: UnsafePointer<lnd_plugin_connect>?
  private var guests: UnsafePointer<lnd_plugin_guests>?

  init(network: NetworkPlugin.Type) {
    self.network = network
    if network is any ForwardExtension.Type { forward = Tables.immortal(makeForwardTable()) }
    if network is any LeaseExtension.Type { lease = Tables.immortal(makeLeaseTable()) }
    if network is any ConnectExtension.Type { connect = Tables.immortal(makeConnectTable()) }
    if let type = network as? any GuestsExtension.Type {
      guests = Tables.immortal(makeGuestsTable(type))
    }
  }

  init(dns: DNSPlugin.Type) {
    self.dns = dns
  }

  /// `plugin` was created by `makeTable`, so that `user` is a Registration.
  static func of(_ plugin: UnsafePointer<lnd_plugin>) -> Registration {
    guard let user = plugin.pointee.user else { return Registration() }
    return user.assumingMemoryBound(to: Registration.self).pointee
  }

  private init() {}

  func extensionTable(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case LND_EXT_FORWARD: UnsafeRawPointer(forward)
    case LND_EXT_LEASE: UnsafeRawPointer(lease)
    case LND_EXT_CONNECT: UnsafeRawPointer(connect)
    case LND_EXT_GUESTS: UnsafeRawPointer(guests)
    default: nil
    }
  }
}

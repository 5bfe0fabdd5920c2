// SPDX-License-Identifier: Apache-2.0
//
// Whether the plugins of a network take its options: each is asked by its `validate`, and nothing is made or started.

import HostProtocol
import PluginAPI

extension NetworkProcess {
  /// - Throws: what the first plugin that refuses says, the network's before the DNS's.
  func validate(_ spec: NetworkSpec) throws(HostError) {
    networkName = spec.name
    stateDirectory = spec.stateDirectory
    if let confined = spec.confinement { confinement.boundFiles(confined) }
    let loaded = try load(spec.plugin, LND_KIND_NETWORK)
    guard case .network(let ops) = loaded.descriptor.operations else {
      throw HostError(.internal, "\(spec.plugin.file) is no network plugin")
    }
    try NetworkPlugin(loaded, ops, log: log, reactor: reactor).validate(spec)
    guard let reference = spec.dns else { return }
    for stage in [DNSStage(plugin: reference, options: spec.dnsOptions)] + (spec.dnsBehind ?? []) {
      let loaded = try load(stage.plugin, LND_KIND_DNS)
      guard case .dns(let ops) = loaded.descriptor.operations else {
        throw HostError(.internal, "\(stage.plugin.file) is no DNS plugin")
      }
      try DNSPlugin(loaded, ops, log: log, reactor: reactor).bridge.validate(
        loaded.descriptor,
        InstanceSettings(
          network: spec.name, instance: loaded.descriptor.name, options: stage.options,
          stateDirectory: spec.stateDirectory))
    }
  }
}

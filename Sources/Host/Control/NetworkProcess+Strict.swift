// SPDX-License-Identifier: Apache-2.0
//
// A network in a strict sandbox: all of its plugins are loaded, then files go out of reach, then plugins are made and started.
// Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

extension NetworkProcess {
  /// Loads what a network has of plugins, and leaves all files behind but those of the empty root. Nothing outside of a
  /// strict sandbox.
  func leaveFiles(_ spec: NetworkSpec) throws(HostError) {
    guard confinement.isStrict else { return }
    let references = [spec.dns].compactMap { $0 } + (spec.dnsBehind ?? []).map(\.plugin)
    for reference in references { loadedPlugins.append(try load(reference, LND_KIND_DNS)) }
    do throws(SystemError) { try confinement.enterRoot() } catch {
      throw HostError(.unsupported, "`sandbox: strict` cannot be had: \(error)")
    }
    hasLeftFiles = true
  }

  /// The one that was loaded before files were left; nil: they are there still.
  /// - Throws: when there is none, which cannot be loaded any more.
  func loadedBefore(_ reference: PluginRef, _ kind: String) throws(HostError) -> LoadedPlugin? {
    guard hasLeftFiles else { return nil }
    if let known = loadedPlugins.first(where: {
      $0.file == reference.file && $0.descriptor.kind == kind
        && (reference.name.isEmpty || $0.descriptor.name == reference.name)
        && (reference.sha256.isEmpty || $0.sha256 == reference.sha256)
    }) {
      return known
    }
    throw HostError(
      .unsupported,
      "the network's sandbox is strict, and loads no \(reference.file) any more: "
        + "lima-netd network restart \(networkName), which ends its connections",
      plugin: reference.name)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Which networks can have `sandbox: strict`: those whose process needs no file but its state and the resolver's files once its
// plugins are loaded, no interface of the host's, and no privilege.

import HostProtocol

extension LaunchPlan {
  /// Why it cannot be strict; nil: it can, or need not be.
  var strictProblem: ConfigProblem? {
    guard network.settings.isStrict, let reason = strictObstacle else { return nil }
    return ConfigProblem(
      .strict(reason), path: ["networks", network.name, "sandbox"],
      mark: network.mark(at: "/sandbox"))
  }

  private var strictObstacle: String? {
    #if !os(Linux)
      return "it is made of the Linux kernel's namespaces and filters"
    #else
      let name = plugin.plugin.name
      if plugin.plugin.needsTap {
        return "plugin \(name) needs an interface of the host's: use mode slirp or user-v2"
      }
      for stage in [Stage(plugin: dns, options: dnsOptions)] + dnsBehind {
        guard stage.hasResolver, stage.options["resolver"] != "forward",
          stage.options["servers"]?.array?.isEmpty != false
        else { continue }
        return
          "DNS plugin \(stage.plugin.plugin.name) asks the C library, which reads what it likes: add `resolver: forward` to "
          + "its options, or `servers`"
      }
      if let capability = needs.capabilities.union(dnsNeeds.capabilities).first {
        return "a plugin needs the capability \(capability.name)"
      }
      let files = needs.readable + needs.writable + dnsNeeds.readable + dnsNeeds.writable
      if let file = files.first(where: { !ResolverCopies.paths.contains($0) }) {
        return "an option names \(file), which is out of its reach"
      }
      return nil
    #endif
  }
}

extension LaunchPlan.Stage {
  fileprivate var hasResolver: Bool {
    plugin.plugin.schema.flatMap { Schema(text: $0) }?.propertyNames.contains("resolver") == true
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What instances ask of a network's DNS: `hostResolver` and `dns` of their lima.yaml. A network has one DNS for all its
// guests, so what they ask holds while all of them ask the same, and where networks.yaml says nothing itself.

/// What one instance asks of the DNS.
package struct ResolverWish: Sendable, Hashable {
  /// `hostResolver.enabled: false` without servers: names are asked of the host's nameservers as they are.
  package var forwards = false
  /// `dns`: the servers that are asked; empty: the host's.
  package var servers: [String] = []
  /// `hostResolver.ipv6: false`.
  package var withholdsIPv6 = false

  package init() {}

  package init(_ yaml: LimaYAML) {
    servers = yaml.dns
    forwards = yaml.resolverEnabled == false && servers.isEmpty
    withholdsIPv6 = yaml.resolverIPv6 == false
  }

  /// As lima.yaml has it, for messages.
  var description: String {
    var parts: [String] = []
    if forwards { parts.append("hostResolver.enabled: false") }
    if !servers.isEmpty { parts.append("dns") }
    if withholdsIPv6 { parts.append("hostResolver.ipv6: false") }
    return parts.joined(separator: ", ")
  }
}

/// What the instances of a network ask.
struct ResolverWishes {
  private var wishes: [String: ResolverWish] = [:]

  /// - Parameter wish: nil takes it back.
  /// - Returns: whether it is another than before.
  mutating func set(_ wish: ResolverWish?, of owner: String) -> Bool {
    guard wishes[owner] != wish else { return false }
    wishes[owner] = wish
    return true
  }

  /// The configuration with what they ask.
  func applied(to wanted: NetworkConfiguration) -> NetworkConfiguration {
    var network = wanted
    guard let wish = common else { return network }
    let options = network.settings.dnsOptions
    if network.settings.dnsServers == nil, options["servers"] == nil, options["resolver"] == nil {
      network.settings.dnsServers = wish.servers.isEmpty ? nil : wish.servers
      network.settings.dnsForwards = wish.forwards
    }
    if wish.withholdsIPv6 { network.settings.dnsIPv6 = false }
    return network
  }

  private var common: ResolverWish? {
    guard let first = wishes.values.first, wishes.values.allSatisfy({ $0 == first })
    else { return nil }
    return first
  }

  /// Why an owner does not get what it asks; nil: it does.
  /// - Parameter plugin: the DNS plugin that answers; nil: none does now.
  func warning(
    for owner: String, on wanted: NetworkConfiguration, plugin: PluginInfo?
  ) -> String? {
    guard let wish = wishes[owner], wish != ResolverWish() else { return nil }
    let effect = "\(wish.description): no effect on network \(wanted.name)"
    guard common == wish else {
      let others = wishes.filter { $0.value != wish }.keys.sorted()
      let who = others.joined(separator: ", ")
      return
        "`\(wish.description)` of this file is ignored: network \(wanted.name) has one DNS, and \(who) set it otherwise"
    }
    let settings = applied(to: wanted).settings
    if settings.dnsForwards != wish.forwards || settings.dnsServers ?? [] != wish.servers {
      return "\(effect): networks.yaml has its own `dns`"
    }
    guard let plugin else { return nil }
    let options = plugin.schema.flatMap { Schema(text: $0) }?.propertyNames ?? []
    if wish.forwards && !options.contains("resolver")
      || !wish.servers.isEmpty && !options.contains("servers")
    {
      return "\(effect): its DNS plugin \(plugin.name) has no option for it"
    }
    return nil
  }
}

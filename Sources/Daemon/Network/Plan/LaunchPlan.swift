// SPDX-License-Identifier: Apache-2.0
//
// LaunchPlan: a network's configuration and the registry made into what a network-host is told: which files, which
// options. Pure. Options are checked against the plugins' schemas here, and what does not fit is told by its place in
// networks.yaml.

import HostProtocol

struct LaunchPlan: Sendable, Codable {
  /// A DNS plugin behind another.
  struct Stage: Sendable, Codable {
    var plugin: RegisteredPlugin
    /// Checked, with defaults.
    var options: JSONObject
  }

  var network: NetworkConfiguration
  var plugin: RegisteredPlugin
  var dns: RegisteredPlugin
  /// Checked, with defaults.
  var options: JSONObject
  var dnsOptions: JSONObject
  /// Those that `dns` may ask.
  var dnsBehind: [Stage]
  /// Values of options that nobody is to read.
  var secrets: [String] {
    plugin.plugin.secrets(of: options) + dnsSecrets
  }
  private var dnsSecrets: [String] {
    dns.plugin.secrets(of: dnsOptions)
      + dnsBehind.flatMap { $0.plugin.plugin.secrets(of: $0.options) }
  }
  /// The network's options as users see them.
  var shownOptions: JSONObject { plugin.plugin.masked(options) }
  /// Keys that the plugin has no use for.
  var warnings: [String]
  /// The bridge of Lima's own helper that takes the place of the network's own interface, gateway, DHCP and DNS.
  var joined: LimaBridge?
  /// Of plugins, which a running process may be told to load.
  var pluginFolders: [String]
  /// What the two schemas say that the process needs.
  let needs: SchemaNeeds
  var dnsNeeds: SchemaNeeds

  /// - Throws: an `ErrorReport` whose message says what is wrong, where, and what to do.
  init(
    network: NetworkConfiguration, registry: Registry, configFile: String
  ) throws(ErrorReport) {
    self.network = network
    pluginFolders = registry.folders
    let settings = network.settings
    do throws(RegistryError) {
      plugin = try registry.networkPlugin(mode: settings.mode, pin: settings.plugin)
      dns = try registry.dnsPlugin(pin: settings.dns)
      dnsBehind = []
      for choice in settings.dnsBehind {
        let plugin = try registry.dnsPlugin(pin: choice.pin)
        dnsBehind.append(Stage(plugin: plugin, options: choice.options))
      }
    } catch {
      throw ErrorReport(code: error.code, message: "network \(network.name): \(error)")
    }
    var problems: [ConfigProblem] = []
    var warnings: [String] = []
    let common = settings.commonOptions
    options = Self.check(
      settings.options, common: common, of: plugin.plugin, network: network, prefix: "/options",
      &problems)
    dnsOptions = Self.check(
      settings.dnsOptions, common: Self.commonDNS(settings), of: dns.plugin, network: network,
      prefix: "/dns/options",
      &problems)
    for index in dnsBehind.indices {
      dnsBehind[index].options = Self.check(
        dnsBehind[index].options, common: Self.commonDNS(settings),
        of: dnsBehind[index].plugin.plugin,
        network: network, prefix: "/dns/plugins/\(index + 1)/options", &problems)
    }
    guard problems.isEmpty else {
      let file = network.isWritten ? configFile : "built-in network"
      throw ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message: ConfigError(file: file, problems: problems).description)
    }
    needs = plugin.needs(with: options)
    dnsNeeds = dns.needs(with: dnsOptions)
    for stage in dnsBehind {
      let needs = stage.plugin.needs(with: stage.options)
      dnsNeeds.readable += needs.readable
      dnsNeeds.writable += needs.writable
      dnsNeeds.capabilities.formUnion(needs.capabilities)
      dnsNeeds.refused += needs.refused
    }
    self.warnings = []
    if let problem = strictProblem {
      throw ErrorReport(
        code: HostError.Code.invalidConfig.rawValue,
        message: ConfigError(file: configFile, problems: [problem]).description)
    }
    let names = plugin.plugin.schema.flatMap { Schema(text: $0) }?.propertyNames ?? []
    for member in common.members
    where !names.contains(member.name) && member.name != "closedNetworks" {
      warnings.append(
        "networks.\(network.name).\(member.name) has no effect: plugin \(plugin.plugin.name) does not use it"
      )
    }
    if network.builtin { warnings = [] }
    if settings.dnsServers != nil, dnsOptions["servers"] == nil,
      dnsBehind.allSatisfy({ $0.options["servers"] == nil }),
      network.marks["/dns/servers"] != nil
    {
      warnings.append(
        "networks.\(network.name).dns.servers has no effect: plugin \(dns.plugin.name) does not use it"
      )
    }
    self.warnings = warnings
  }

  /// What the host is told.
  /// - Parameter peer: the socket that takes the TAP's place, which the plugin has to be told of where the
  ///   options do not name it.
  /// - Parameter cards: where guests are on a network card.
  func spec(
    stateDirectory: String, tap: TapSpec? = nil, peer: String? = nil, cards: GuestCards? = nil
  ) -> NetworkSpec {
    var options = options
    if let peer { options["socket"] = .string(peer) }
    // A port of that bridge, and nothing of one's own.
    if let joined { options = ["interface": .string(joined.name)] }
    var spec = NetworkSpec(
      name: network.name, mode: network.settings.mode, plugin: plugin.reference,
      options: JSONValue.object(options).text, dns: dns.reference,
      dnsOptions: JSONValue.object(dnsOptions).text, dnsPolicy: dnsSpec.policy,
      stateDirectory: stateDirectory, mtu: options["mtu"]?.integer() ?? tap?.mtu ?? cards?.mtu ?? 0,
      tap: tap, hasPeer: peer != nil, hasCards: cards != nil,
      confinement: confinement(stateDirectory))
    spec.dnsBehind = dnsSpec.behind
    let secrets = secrets
    spec.secrets = secrets.isEmpty ? nil : secrets
    spec.limits = LinkLimits(options: options)
    spec.portSecurity = PortSecuritySpec(options: options)
    return spec
  }

  /// The TAP of the host's that its plugin needs; nil when it needs none.
  /// - Throws: when the options do not say which.
  func tapRequest() throws(ErrorReport) -> HostTapRequest? {
    guard plugin.plugin.needsTap, peerSocket == nil else { return nil }
    if let joined { return HostTapRequest(network: network.name, joining: joined.name) }
    if let request = HostTapRequest(network: network.name, options: options) { return request }
    throw ErrorReport(
      code: HostError.Code.invalidConfig.rawValue,
      message: "network \(network.name): its options name neither a gateway nor an interface, "
        + "one of which plugin \(plugin.plugin.name) needs")
  }

  /// The socket of another daemon that takes the TAP's place; nil when there is none.
  var peerSocket: String? {
    guard plugin.plugin.needsTap, let path = options["socket"]?.string, !path.isEmpty else {
      return nil
    }
    return path
  }

  /// The same of its DNS, for a process that runs.
  var dnsSpec: DNSSpec {
    var spec = DNSSpec(
      plugin: dns.reference, options: JSONValue.object(dnsOptions).text,
      policy: DNSPolicy(
        ipv6: network.settings.dnsIPv6, localOnly: network.settings.dnsLocalOnly),
      readable: dnsReadable,
      behind: dnsBehind.isEmpty
        ? nil
        : dnsBehind.map {
          DNSStage(plugin: $0.plugin.reference, options: JSONValue.object($0.options).text)
        })
    spec.secrets = dnsSecrets.isEmpty ? nil : dnsSecrets
    return spec
  }

  /// A refusal by a plugin, told by its place in the file where it names an option.
  func report(_ error: HostError, configFile: String) -> ErrorReport {
    guard error.code == .invalidConfig, let pointer = error.jsonPointer else {
      return ErrorReport(
        code: error.code.rawValue, message: "network \(network.name): \(error.description)")
    }
    let isDNS = error.plugin == dns.plugin.name && dns.plugin.name != plugin.plugin.name
    let problem = Self.problem(
      .option(error.message, plugin: error.plugin ?? plugin.plugin.name), pointer: pointer,
      network: network, prefix: isDNS ? "/dns/options" : "/options", aboutKey: false)
    return ErrorReport(
      code: error.code.rawValue,
      message: problem.text(file: network.isWritten ? configFile : "built-in network"))
  }

  // MARK: Options

  /// What a network wants of whichever plugin has an option of that name.
  private static func commonDNS(_ settings: NetworkConfiguration.Settings) -> JSONObject {
    var object = JSONObject()
    object["resolver"] = settings.dnsForwards ? "forward" : nil
    object["servers"] = settings.dnsServers.map { .array($0.map(JSONValue.string)) }
    return object
  }

  private static func check(
    _ given: JSONObject, common: JSONObject, of plugin: PluginInfo, network: NetworkConfiguration,
    prefix: String, _ problems: inout [ConfigProblem]
  ) -> JSONObject {
    var options = given
    // A plugin without a schema takes no options: so says an empty one.
    let schema: Schema
    if let text = plugin.schema {
      guard let parsed = Schema(text: text) else {
        problems.append(
          problem(
            .option(
              "cannot be checked: the plugin's schema is no JSON object", plugin: plugin.name),
            pointer: "", network: network, prefix: prefix, aboutKey: false))
        return given
      }
      schema = parsed
    } else {
      schema = Schema(.object(["type": "object", "properties": [:]]))
    }
    let names = schema.propertyNames
    for member in common.members where names.contains(member.name) && given[member.name] == nil {
      options[member.name] = member.value
    }
    let result = schema.check(.object(options))
    problems += result.problems.map {
      problem(
        .option($0.sentence, plugin: plugin.name), pointer: $0.pointer, network: network,
        prefix: prefix, aboutKey: $0.concernsKey)
    }
    return result.value.object ?? options
  }

  private static func problem(
    _ kind: ConfigProblem.Kind, pointer: String, network: NetworkConfiguration, prefix: String,
    aboutKey: Bool
  ) -> ConfigProblem {
    let place = Self.place(of: pointer, network: network, prefix: prefix)
    let mark = aboutKey ? network.marks[YAMLNode.keyPointer(place)] : nil
    var keys = JSONPointer.keys(place)
    // `egress` and the like of the network, which became options of its plugin.
    if keys.count > 1, keys[0] == "options", ConfigDecoder.optionKeys.contains(keys[1]),
      network.marks["/\(keys[1])"] != nil
    {
      keys.removeFirst()
    }
    return ConfigProblem(
      kind, path: ["networks", network.name] + keys,
      mark: mark ?? network.mark(at: place))
  }
}

extension LaunchPlan {
  /// Where an option was written: among the options, or as a key of Lima's or ours that became one.
  fileprivate static func place(
    of pointer: String, network: NetworkConfiguration, prefix: String
  ) -> String {
    guard network.marks[prefix + pointer] == nil, let key = JSONPointer.keys(pointer).first else {
      return prefix + pointer
    }
    if prefix == "/options", ConfigDecoder.networkKeys.contains(key) { return pointer }
    if prefix == "/dns/options", network.marks["/dns/\(key)"] != nil { return "/dns" + pointer }
    return prefix + pointer
  }
}

extension NetworkConfiguration {
  /// Something of it stands in the file.
  fileprivate var isWritten: Bool { !builtin || !marks.isEmpty }
}

extension PluginInfo {
  /// Most schemas hide nothing, and need not be parsed for each report.
  private var hidingSchema: Schema? {
    schema.flatMap { $0.contains("writeOnly") ? Schema(text: $0) : nil }
  }

  func masked(_ options: JSONObject) -> JSONObject { hidingSchema?.masked(options) ?? options }

  func secrets(of options: JSONObject) -> [String] { hidingSchema?.secrets(of: options) ?? [] }
}

extension RegisteredPlugin {
  var reference: PluginRef { PluginRef(file: file, name: plugin.name, sha256: sha256) }
}

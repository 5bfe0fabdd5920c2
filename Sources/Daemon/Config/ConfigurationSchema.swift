// SPDX-License-Identifier: Apache-2.0
//
// ConfigurationSchema: a JSON Schema (2020-12) of networks.yaml for editors: its keys, and the options of each installed
// mode and DNS plugin. Further checks of ConfigDecoder and of plugins are not included.

package enum ConfigurationSchema {
  /// - Parameter plugins: the installed plugins.
  package static func make(_ plugins: PluginsReport) -> JSONValue {
    let networks = networkPlugins(plugins)
    let dns = dnsPlugins(plugins)
    var definitions = JSONObject()
    definitions["network"] = network(networks)
    definitions["dns"] = dnsChoice(dns)
    definitions["dnsStage"] = dnsStage(dns)
    for (kind, found) in [("network", networks.map(\.plugin)), ("dns", dns)] {
      for plugin in found where definitions[name(kind, plugin)] == nil {
        definitions[name(kind, plugin)] = options(plugin, id: "lima-netd:\(kind)/\(plugin.name)")
      }
    }
    var schema: JSONObject = [
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "networks.yaml of lima-netd", "type": "object", "additionalProperties": false,
    ]
    schema["properties"] = .object(top)
    schema["$defs"] = .object(definitions)
    return .object(schema)
  }

  private static var top: JSONObject {
    let texts: JSONObject = ["items": ["type": "string"]]
    let pathNames = ConfigDecoder.pathKeys + ConfigDecoder.obsoletePathKeys
    let paths = JSONObject(pathNames.map { ($0, nullable("string", "")) })
    var networks: JSONObject = ["additionalProperties": ["$ref": "#/$defs/network"]]
    networks["propertyNames"] = ["pattern": "^[A-Za-z0-9]([-_.]?[A-Za-z0-9])*$"]
    var keys = JSONObject()
    keys["paths"] = nullable(
      "object", "Programs and files of Lima's socket_vmnet",
      ["additionalProperties": false, "properties": .object(paths)])
    keys["group"] = nullable("string", "The group that sudoers rules are for")
    keys["plugins"] = nullable(
      "array", "Folders that are searched for plugins before lima-netd's own", texts)
    keys["dns"] = ["$ref": "#/$defs/dns"]
    keys["user"] = networkKey("user")
    keys["networks"] = nullable("object", "Networks by name", networks)
    return keys
  }

  // MARK: Networks

  private static func networkKey(_ key: String) -> JSONValue {
    switch key {
    case "mode":
      return described(
        "Which plugin makes the network: the one that claims the mode", ["type": "string"])
    case "interface": return nullable("string", "The host's interface or bridge, of mode bridged")
    case "gateway":
      return nullable("string", "The network's address of the host or router", ["format": "ipv4"])
    case "netmask": return nullable("string", "255.255.255.0 without it", ["format": "ipv4"])
    case "dhcpEnd":
      return nullable("string", "The last address that DHCP gives", ["format": "ipv4"])
    case "plugin":
      return nullable("string", "A plugin's name, or the path of its file, in place of the mode's")
    case "dns": return ["$ref": "#/$defs/dns"]
    case "options": return nullable("object", "The plugin's own")
    case "sandbox":
      return described(
        "off: the network's process is not confined; strict: it has namespaces of its own and an empty root",
        ["enum": ["on", "off", "strict", "yes", "no", true, false, nil]])
    case "user":
      return described(
        "As whom the network's process runs, of root's daemon: a name or number",
        ["type": ["string", "integer", "null"]])
    case "egress":
      return described("What guests reach beyond the network: internet, none, all, or rules", [:])
    case "watchdog":
      let range = NetworkConfiguration.watchdogRange
      let seconds: JSONObject = [
        "type": "integer", "minimum": JSONValue(range.lowerBound),
        "maximum": JSONValue(range.upperBound),
      ]
      return described(
        "Seconds after which a process that hangs is replaced",
        ["anyOf": [.object(seconds), ["enum": ["off", "no", false, nil]]]])
    // Not described here.
    default: return true
    }
  }

  private static func network(_ plugins: [(mode: String, plugin: PluginInfo)]) -> JSONValue {
    let modes = plugins.map(\.mode)
    var properties = JSONObject()
    for key in ConfigDecoder.networkKeys { properties[key] = networkKey(key) }
    if !modes.isEmpty, var mode = properties["mode"]?.object {
      // Examples instead of an enumeration: the plugin of another mode may be installed later.
      mode["examples"] = .array(modes.map { .string($0) })
      properties["mode"] = .object(mode)
    }
    let rules = plugins.map { mode, plugin in
      var then = JSONObject()
      then["options"] = anyOf("#/$defs/\(name("network", plugin))")
      let schema = plugin.schema.flatMap { try? JSONValue(parsing: $0) }
      if schema?["properties"]?["egress"] != nil {
        then["egress"] = [
          "$ref": .string("lima-netd:network/\(plugin.name)#/properties/egress")
        ]
      }
      return when(["mode": ["const": .string(mode)]], without: "plugin", then)
    }
    return [
      "type": "object", "additionalProperties": false, "required": ["mode"],
      "properties": .object(properties), "allOf": .array(rules),
    ]
  }

  // MARK: DNS

  private static func dnsChoice(_ plugins: [PluginInfo]) -> JSONValue {
    let rules = plugins.map { plugin in
      when(
        ["plugin": ["const": .string(plugin.name)]], without: nil,
        ["options": anyOf("#/$defs/\(name("dns", plugin))")])
    }
    let usual = plugins.filter { $0.name == PluginPin.defaultDNS }.map { plugin in
      when([:], without: "plugin", ["options": anyOf("#/$defs/\(name("dns", plugin))")])
    }
    let text: JSONValue = ["type": "string"]
    let texts: JSONObject = ["items": text]
    let target: JSONValue = ["anyOf": [text, ["type": "array", "items": text]]]
    var keys = JSONObject()
    keys["plugin"] = nullable("string", "Its name, or the path of its file")
    keys["plugins"] = described(
      "Several: questions go to the first, which may ask the one behind it",
      ["type": "array", "minItems": 1, "maxItems": 8, "items": ["$ref": "#/$defs/dnsStage"]])
    keys["options"] = nullable("object", "The plugin's own")
    keys["hosts"] = nullable(
      "object", "Names and their addresses, or the name that is meant",
      ["additionalProperties": target])
    keys["ipv6"] = nullable("boolean", "false: names have no IPv6 addresses")
    keys["localOnly"] = nullable(
      "boolean", "true: only names of the network itself are answered; of mode host the default")
    keys["servers"] = nullable("array", "Asked instead of the host's resolver", texts)
    var whole: JSONObject = ["type": "object", "additionalProperties": false]
    whole["properties"] = .object(keys)
    whole["allOf"] = .array(rules + usual)
    let alone = described("A plugin's name, or the path of its file", ["type": "string"])
    return described(
      "Which plugin answers guests' questions, and what holds whichever does",
      ["anyOf": [["type": "null"], alone, .object(whole)]])
  }

  private static func dnsStage(_ plugins: [PluginInfo]) -> JSONValue {
    let rules = plugins.map { plugin in
      when(
        ["plugin": ["const": .string(plugin.name)]], without: nil,
        ["options": anyOf("#/$defs/\(name("dns", plugin))")])
    }
    var keys: JSONObject = ["plugin": ["type": "string"]]
    keys["options"] = nullable("object", "Its own")
    var whole: JSONObject = [
      "type": "object", "additionalProperties": false, "required": ["plugin"],
    ]
    whole["properties"] = .object(keys)
    whole["allOf"] = .array(rules)
    return ["anyOf": [["type": "string"], .object(whole)]]
  }

  // MARK: Plugins

  /// The plugin that serves each mode.
  private static func networkPlugins(
    _ report: PluginsReport
  ) -> [(mode: String, plugin: PluginInfo)] {
    report.modes.compactMap { mode in
      let file = report.files.first { $0.inspection.file == mode.file }
      return file?.inspection.plugins?.first { $0.kind == "network" && $0.name == mode.plugin }
        .map { (mode.mode, $0) }
    }
  }

  /// The first plugin of each name.
  private static func dnsPlugins(_ report: PluginsReport) -> [PluginInfo] {
    var names: Set<String> = []
    return report.files.flatMap { $0.inspection.plugins ?? [] }.filter {
      $0.kind == "dns" && names.insert($0.name).inserted
    }
  }

  private static func name(_ kind: String, _ plugin: PluginInfo) -> String {
    "\(kind).\(plugin.name)"
  }

  /// - Parameter id: base of `$ref` in the plugin's schema.
  private static func options(_ plugin: PluginInfo, id: String) -> JSONValue {
    guard let text = plugin.schema else {
      return ["type": "object", "maxProperties": 0, "description": "This plugin takes no options"]
    }
    guard var schema = (try? JSONValue(parsing: text)).map({ closed($0, depth: 0) })?.object else {
      return true
    }
    schema["$id"] = .string(id)
    return .object(schema)
  }

  /// Adds additionalProperties: false, which is lima-netd's default for objects, but not that of other implementations.
  private static func closed(_ schema: JSONValue, depth: Int) -> JSONValue {
    guard depth < 32 else { return schema }
    switch schema {
    case .array(let items): return .array(items.map { closed($0, depth: depth + 1) })
    case .object(let members):
      var result = JSONObject()
      for member in members.members {
        let isData = ["default", "const", "enum", "examples"].contains(member.name)
        result[member.name] = isData ? member.value : closed(member.value, depth: depth + 1)
      }
      if result["properties"]?.object != nil, result["additionalProperties"] == nil,
        result["type"] != nil || result["$ref"] == nil
      {
        // A property with the name `properties` is no list of properties.
        if result["type"] == nil || result["type"] == "object" {
          result["additionalProperties"] = false
        }
      }
      return .object(result)
    default: return schema
    }
  }

  // MARK: Pieces

  private static func nullable(
    _ type: String, _ description: String, _ more: JSONObject = JSONObject()
  ) -> JSONValue {
    var result: JSONObject = ["type": [.string(type), "null"]]
    if !description.isEmpty { result["description"] = .string(description) }
    for member in more.members { result[member.name] = member.value }
    return .object(result)
  }

  private static func described(_ description: String, _ more: JSONObject) -> JSONValue {
    var result: JSONObject = ["description": .string(description)]
    for member in more.members { result[member.name] = member.value }
    return .object(result)
  }

  private static func anyOf(_ reference: String) -> JSONValue {
    ["anyOf": [["type": "null"], ["$ref": .string(reference)]]]
  }

  private static func when(
    _ properties: JSONObject, without: String?, _ then: JSONObject
  ) -> JSONValue {
    var condition: JSONObject = [
      "properties": .object(properties),
      "required": .array(properties.members.map { .string($0.name) }),
    ]
    if let without { condition["not"] = ["required": [.string(without)]] }
    return ["if": .object(condition), "then": ["properties": .object(then)]]
  }
}

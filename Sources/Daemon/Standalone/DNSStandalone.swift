// SPDX-License-Identifier: Apache-2.0
//
// DNSStandalone: the parameters of `dns serve`: the plugin, its options, and names. Blocks while it inspects plugin files.

import DNSMessage
import HostProtocol
import Platform

package struct DNSStandalone: Sendable {
  package var plugin: RegisteredPlugin
  /// Validated, with defaults.
  package var options: JSONObject
  package var ipv6: Bool
  /// Names answered without the plugin, with their addresses or the one name each is an alias of.
  package var hosts: [String: [String]]

  /// - Parameters:
  ///   - plugin: a name or, if it contains a slash, a file; nil: the default plugin.
  ///   - directories: searched before the installation's own.
  ///   - options: a JSON object as text.
  ///   - hosts: "NAME=ADDRESS" or "NAME=OTHERNAME".
  /// - Throws: an `ErrorReport` for users.
  package init(
    plugin: String?, directories: [String], options: String, hosts: [String], ipv6: Bool,
    workingDirectory: String, installation: Installation
  ) throws(ErrorReport) {
    self.plugin = try Self.find(
      plugin, directories: directories, workingDirectory: workingDirectory,
      installation: installation)
    self.options = try Self.check(options, of: self.plugin.plugin)
    self.ipv6 = ipv6
    self.hosts = try Self.names(hosts)
  }

  var spec: DNSSpec {
    var spec = DNSSpec(
      plugin: plugin.reference, options: JSONValue.object(options).text,
      policy: DNSPolicy(ipv6: ipv6))
    let secrets = plugin.plugin.secrets(of: options)
    spec.secrets = secrets.isEmpty ? nil : secrets
    return spec
  }

  /// The permissions of its process: the plugin's files and those named by its options.
  var confinement: ConfinementSpec {
    let needs = plugin.needs(with: options)
    return ConfinementSpec(
      readable: LaunchPlan.folders(of: [plugin.file] + needs.readable), writable: needs.writable)
  }

  private static func wrong(_ text: String) -> ErrorReport {
    ErrorReport(code: HostError.Code.invalidConfig.rawValue, message: text)
  }

  private static func find(
    _ name: String?, directories: [String], workingDirectory: String, installation: Installation
  ) throws(ErrorReport) -> RegisteredPlugin {
    var pin: PluginPin?
    var files: [String] = []
    if let name {
      if name.contains("/") {
        let path = LimaHome(path: name, workingDirectory: workingDirectory).path
        pin = .file(path)
        files = [path]
      } else {
        pin = .name(name)
      }
    }
    let registry: Registry
    do throws(SystemError) {
      registry = try PluginSurvey.registry(
        directories: directories.map {
          LimaHome(path: $0, workingDirectory: workingDirectory).path
        }, files: files, installation: installation)
    } catch {
      throw ErrorReport(code: HostError.Code.system.rawValue, message: "\(error)")
    }
    do throws(RegistryError) {
      return try registry.dnsPlugin(pin: pin)
    } catch {
      throw ErrorReport(code: error.code, message: "\(error)")
    }
  }

  private static func check(
    _ text: String, of plugin: PluginInfo
  ) throws(ErrorReport) -> JSONObject {
    guard case .object(let given)? = try? JSONValue(parsing: text) else {
      throw wrong("--options is no JSON object: write --options '{\"timeout\": 3}'")
    }
    let schema =
      plugin.schema.flatMap { Schema(text: $0) }
      ?? Schema(.object(["type": "object", "properties": [:]]))
    let result = schema.check(.object(given))
    guard result.problems.isEmpty else {
      throw wrong(
        result.problems.map { problem in
          let place = JSONPointer.keys(problem.pointer).joined(separator: ".")
          return "--options: \(place.isEmpty ? "" : place + ": ")\(problem.sentence)"
            + " (plugin \(plugin.name))"
        }.joined(separator: "\n"))
    }
    return result.value.object ?? given
  }

  private static func names(_ texts: [String]) throws(ErrorReport) -> [String: [String]] {
    var hosts: [String: [String]] = [:]
    for text in texts {
      guard let equals = text.firstIndex(of: "=") else {
        throw wrong("--host \(text): write NAME=ADDRESS, or NAME=OTHERNAME for an alias")
      }
      let name = String(text[..<equals])
      let target = String(text[text.index(after: equals)...])
      guard let parsed = DNSName(name), !parsed.isRoot, !parsed.hasStrayAsterisk else {
        throw wrong("--host \(text): `\(name)` is no domain name, nor `*.` and one")
      }
      guard DNSAddress(target) != nil || ConfigDecoder.isAlias(target) else {
        throw wrong("--host \(text): `\(target)` is neither an address nor a domain name")
      }
      hosts[name, default: []].append(target)
    }
    for (name, targets) in hosts.sorted(by: { $0.key < $1.key }) where targets.count > 1 {
      guard targets.allSatisfy({ DNSAddress($0) != nil }) else {
        throw wrong("--host \(name): an alias stands alone, it has no second target")
      }
    }
    return hosts
  }
}

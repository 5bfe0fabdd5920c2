// SPDX-License-Identifier: Apache-2.0
//
// Module: the table that a plugin file's entry returned, checked and copied. The originals are STATIC (see
// lnd_plugin.h), so pointers into them stay valid.

import HostProtocol
import Platform
import PluginAPI

package struct Module {
  package let id: String
  package let version: String
  package let license: String
  package let url: String
  package let abiMinor: Int
  /// The plugins of kinds that this host knows.
  package let plugins: [Descriptor]
  /// The others: "filter plugin x".
  package let skipped: [String]

  /// The defined flags of a network plugin.
  package static let networkFlags =
    LND_PLUGIN_MULTI_LOOP | LND_NETWORK_ISOLATED | LND_NETWORK_TAP | LND_NETWORK_PLAIN
    | LND_NETWORK_RX_SLICES

  /// One plugin of the file.
  package struct Descriptor {
    package enum Operations {
      case network(lnd_network_ops)
      case dns(lnd_dns_ops)
    }

    /// The plugin's own table, which its callbacks take as argument.
    package let original: UnsafePointer<lnd_plugin>
    package let table: lnd_plugin
    package let name: String
    package let summary: String
    package let modes: [String]
    package let schema: String?
    package let operations: Operations

    /// The callbacks common to every kind.
    package var instance: lnd_instance_ops {
      switch operations {
      case .network(let ops): ops.instance
      case .dns(let ops): ops.instance
      }
    }

    package var kind: String {
      switch operations {
      case .network: LND_KIND_NETWORK
      case .dns: LND_KIND_DNS
      }
    }

    package var isIsolated: Bool { table.flags & LND_NETWORK_ISOLATED != 0 }
    /// Its `rx` gets neither GSO frames nor partial checksums.
    package var wantsPlainFrames: Bool { table.flags & LND_NETWORK_PLAIN != 0 }
    /// It needs a TAP device of the host's (limanetd.tap/1).
    package var needsTap: Bool { table.flags & LND_NETWORK_TAP != 0 }

    /// The plugin's side of an extension, or nil.
    package func getExtension(_ id: String) -> UnsafeRawPointer? {
      guard let get = table.get_extension else { return nil }
      return get(original, id)
    }
  }

  /// Calls the entry and checks what it returns.
  /// - Parameter info: never freed; plugins may keep it.
  package init(entry: lnd_entry_v1, info: UnsafePointer<lnd_host_info>) throws(LoadError) {
    guard let pointer = entry(info) else {
      throw LoadError(.wrongABI, "its entry refuses this host (lima-netd \(HostIdentity.version))")
    }
    let module: lnd_module
    do throws(ABITable.Failure) {
      module = try ABITable.copy(pointer, into: lnd_module(), minimum: ABI10.module, flags: nil)
    } catch {
      throw LoadError(.wrongABI, "its module table \(error.text)")
    }
    let needs = module.requires_host.map {
      "; it says that it needs lima-netd \(shown(String(cString: $0))), and this is \(HostIdentity.version)"
    }
    guard module.flags & mustUnderstand == 0 else {
      throw LoadError(
        .wrongABI,
        "its module table \(ABITable.Failure.flags(module.flags & mustUnderstand).text)\(needs ?? "")"
      )
    }
    abiMinor = Int(module.abi_minor)
    id = text(module.id)
    version = text(module.version)
    license = text(module.license)
    url = text(module.url)
    guard !id.isEmpty, !version.isEmpty else {
      throw LoadError(.invalidDescriptor, "the module has no id or no version")
    }
    guard (1...64).contains(module.plugin_count), let list = module.plugins else {
      throw LoadError(
        .invalidDescriptor,
        "the module says it holds \(module.plugin_count) plugin\(module.plugin_count == 1 ? "" : "s")"
          + (module.plugins == nil ? ", but has no list of them" : ": there may be 1 to 64"))
    }
    var known: [Descriptor] = []
    var unknown: [String] = []
    var skipped: [String] = []
    for index in 0..<Int(module.plugin_count) {
      guard let original = list[index] else {
        throw LoadError(.invalidDescriptor, "the descriptor of plugin \(index) is NULL")
      }
      let table = try plugin(original, index, needs)
      let kind = text(table.kind)
      guard kind == LND_KIND_NETWORK || kind == LND_KIND_DNS else {
        unknown.append(kind)
        skipped.append("\(kind) plugin \(text(table.name))")
        continue
      }
      known.append(try Descriptor(original, table, isNetwork: kind == LND_KIND_NETWORK))
    }
    guard !known.isEmpty else {
      throw LoadError(
        .wrongKind,
        "it holds \(unknown.joined(separator: ", ")), no network and no dns plugin\(needs ?? "")")
    }
    plugins = known
    self.skipped = skipped
  }
}

extension Module.Descriptor {
  fileprivate init(_ original: UnsafePointer<lnd_plugin>, _ table: lnd_plugin, isNetwork: Bool)
    throws(LoadError)
  {
    self.original = original
    self.table = table
    name = text(table.name)
    summary = text(table.summary)
    schema = table.options_schema.map { String(cString: $0) }
    guard PluginName.isValid(name) else {
      throw LoadError(
        .invalidDescriptor, "\"\(name)\" is no plugin name: [a-z][a-z0-9-]{0,31}")
    }
    var modes: [String] = []
    if isNetwork, let list = table.modes {
      while modes.count < 64, let mode = list[modes.count] { modes.append(text(mode)) }
    }
    self.modes = modes
    let what = isNetwork ? "network" : "dns"
    var missing: [String] = []
    do throws(ABITable.Failure) {
      if isNetwork {
        let ops = try ABITable.copy(
          table.ops, into: lnd_network_ops(), minimum: ABI10.networkOps)
        missing = ops.missing
        operations = .network(ops)
      } else {
        let ops = try ABITable.copy(table.ops, into: lnd_dns_ops(), minimum: ABI10.dnsOps)
        missing = ops.missing
        operations = .dns(ops)
      }
    } catch {
      throw LoadError(.wrongABI, "the lnd_\(what)_ops of \(name) \(error.text)")
    }
    guard instance.hasOnlyZeroesReserved else {
      throw LoadError(
        .invalidDescriptor,
        "`reserved` of the callbacks of \(name) is not NULL: write nothing there")
    }
    guard missing.isEmpty else {
      throw LoadError(
        .invalidDescriptor,
        "\(name) lacks what a \(what) plugin must have: \(missing.joined(separator: ", "))")
    }
  }
}

/// - Parameter needs: the module's requirements on the host, for the error text.
private func plugin(
  _ original: UnsafePointer<lnd_plugin>, _ index: Int, _ needs: String?
) throws(LoadError) -> lnd_plugin {
  do throws(ABITable.Failure) {
    let table = try ABITable.copy(original, into: lnd_plugin(), minimum: ABI10.plugin, flags: nil)
    let kind = text(table.kind)
    // A kind of a later version has its own flags.
    let known =
      kind == LND_KIND_NETWORK ? Module.networkFlags : kind == LND_KIND_DNS ? 0 : table.flags
    let unknown = table.flags & mustUnderstand & ~known
    guard unknown == 0 else { throw .flags(unknown) }
    return table
  } catch {
    throw LoadError(
      .wrongABI, "the descriptor of plugin \(index) \(error.text)\(needs ?? "")")
  }
}

/// A plugin's text for an error: shortened, and without control characters.
private func shown(_ text: String) -> String {
  String(text.prefix(32).map { $0.isASCII && !$0.isNewline && $0 >= " " ? $0 : "?" })
}

private func text(_ pointer: UnsafePointer<CChar>?) -> String {
  pointer.map { String(cString: $0) } ?? ""
}

extension lnd_instance_ops {
  /// Required callbacks that are NULL.
  fileprivate var missing: [String] {
    [
      ("create", create == nil), ("start", start == nil), ("stop", stop == nil),
      ("destroy", destroy == nil),
    ].filter(\.1).map(\.0)
  }

  package var hasOnlyZeroesReserved: Bool {
    reserved.0 == nil && reserved.1 == nil && reserved.2 == nil && reserved.3 == nil
  }
}

extension lnd_network_ops {
  fileprivate var missing: [String] {
    instance.missing
      + [("port_up", port_up == nil), ("port_down", port_down == nil), ("rx", rx == nil)]
      .filter(\.1).map(\.0)
  }
}

extension lnd_dns_ops {
  fileprivate var missing: [String] { instance.missing + (resolve == nil ? ["resolve"] : []) }
}

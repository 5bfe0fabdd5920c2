// SPDX-License-Identifier: Apache-2.0
//
// NetworkText: text about networks for users.

import Daemon
import Platform

enum NetworkText {
  static func table(_ networks: [NetworkReport]) -> String {
    var table = Table("NAME", "MODE", "STATE", "GUESTS", "FORWARDS", "PLUGIN", "NOTE")
    for network in networks {
      table.add(
        network.name, network.mode, state(network), String(network.guests.count),
        String(network.forwards.count), network.plugin.map { "\($0.name) \($0.version)" },
        note(network))
    }
    return table.isEmpty ? "No networks." : table.text
  }

  /// "running", or the reason why it is not.
  static func state(_ network: NetworkReport) -> String {
    network.unresponsive?.text ?? network.state.rawValue
  }

  /// The most important message about it.
  static func note(_ network: NetworkReport) -> String? {
    if let error = network.error { return error.message }
    if network.state == .restarting { return "died: \(network.lastExit?.reason ?? "unknown")" }
    if let uplink = network.uplink, uplink.state == .connecting {
      return "not connected to \(uplink.socket)" + (uplink.error.map { ": \($0)" } ?? "")
    }
    if let state = network.pluginStates?.first(where: { $0.state != "ok" }) {
      return "plugin \(sentence(state))"
    }
    if let bridge = network.joined {
      return "a port of \(bridge), which Lima's own helper keeps: addresses are its dnsmasq's"
    }
    if network.restarts > 0 {
      return
        "restarted \(Plural.times(network.restarts)), last: \(network.lastExit?.reason ?? "unknown")"
    }
    let faulty = network.forwards.filter { $0.error != nil }
    if let first = faulty.first, let error = first.error {
      let others = faulty.count == 1 ? "" : " (and \(faulty.count - 1) more)"
      let verb = first.state == .failed ? "has failed" : "waits"
      return "forward \(first.protocol) \(first.host) \(verb)\(others): \(error)"
    }
    return network.changed ? "new settings hold from the next start" : nil
  }

  /// A note about a network that runs with other settings than networks.yaml has now, with the remedy; nil if it does not.
  /// - Parameter home: " --lima-home DIR", or "".
  static func oldSettings(_ network: NetworkReport, home: String) -> String? {
    guard network.changed, network.state == .running else { return nil }
    let guests =
      network.guests.isEmpty
      ? "" : " (\(Plural.text(network.guests.count, "guest")) will lose their connection)"
    return
      "\(network.name) runs, with the settings that it was started with; the new ones hold from its next start\(guests):  "
      + "lima-netd network stop \(network.name)\(home) && lima-netd network start \(network.name)\(home)"
  }

  static func details(_ network: NetworkReport) -> String {
    let guests = Plural.text(network.guests.count, "guest")
    var lines = ["\(network.name) is \(state(network)), with \(guests)"]
    func add(_ key: String, _ value: String?) {
      guard let value else { return }
      lines += Paragraph.lines(
        value, first: "  " + key + String(repeating: " ", count: max(1, 11 - key.count)),
        indent: 13, width: Terminal.columns)
    }
    if let error = network.error { add("error", error.message) }
    add("mode", "\(network.mode), from \(network.source)")
    add("plugin", network.plugin.map(loaded))
    add("dns", network.dns.map(loaded))
    for state in network.pluginStates ?? [] { add("reports", sentence(state)) }
    for (index, option) in (network.options?.object?.members ?? []).enumerated() {
      let value = (try? JSONText.string(option.value)) ?? "?"
      add(index == 0 ? "options" : "", "\(option.name): \(value)")
    }
    add("process", network.host.map { "\($0.pid), since \($0.since)" })
    add("user", network.user)
    add("sandbox", network.sandbox)
    if let uplink = network.uplink {
      let since = uplink.since.map { ", since \($0)" } ?? ""
      let error = uplink.error.map { "; \($0)" } ?? ""
      add(
        "uplink",
        "\(uplink.socket)  \(uplink.state.rawValue)\(since), lost \(Plural.times(Int(clamping: uplink.lost)))\(error)"
      )
    }
    if let interface = network.hostInterface {
      let place = interface.bridge.map { ", a port of \($0)" } ?? ""
      let kind = interface.kind == .tap ? "TAP" : "network card, a macvtap for each guest"
      add("interface", "\(interface.name), \(kind)\(place)")
      add("", interface.limits)
    }
    add(
      "ipv6",
      network.ipv6.map { $0.network + ($0.gateway.map { gateway in ", gateway \(gateway)" } ?? "") }
    )
    add("joined", network.joined.map { "\($0), which Lima's own helper keeps, with DHCP and DNS" })
    if network.restarts > 0 { add("restarts", String(network.restarts)) }
    add("retry", network.retryAt)
    add("last exit", network.lastExit.map { "\($0.reason), \($0.time)" })
    for line in network.lastExit?.log ?? [] { add("", line) }
    if network.changed { add("changed", "new settings hold from the next start") }
    add("qemu", network.sockets.qemu)
    add("fd", network.sockets.fd)
    add("unixgram", network.sockets.unixgram)
    add("log", network.log)
    if !network.guests.isEmpty { lines += ["", guestTable(network.guests)] }
    if !network.forwards.isEmpty {
      lines += [
        "",
        ForwardList.text([.init(network: network.name, forwards: network.forwards)]),
      ]
    }
    if let live = network.live {
      lines += ["", "COUNTERS (those that are not zero)"] + counters(live)
    }
    return lines.joined(separator: "\n")
  }

  /// "vxlan is connecting: to 192.0.2.1"
  private static func sentence(_ state: PluginStateReport) -> String {
    "\(state.plugin) is \(state.state)" + (state.text.isEmpty ? "" : ": \(state.text)")
  }

  /// The numbers of the network's status, one per line: "plugin.tcp.flows 2". --json has all of it.
  static func counters(_ value: JSONValue, _ path: String = "") -> [String] {
    switch value {
    // The API has nanoseconds; users see a duration.
    case .integer(let number) where path.hasSuffix(".uptime") && number > 0:
      return ["\(path) \(duration(UInt64(number)))"]
    case .integer(let number): return number == 0 ? [] : ["\(path) \(number)"]
    case .unsigned(let number): return ["\(path) \(number)"]
    case .array(let items):
      return items.enumerated().flatMap { index, item in
        counters(item, "\(path)[\(item["name"]?.string ?? String(index))]")
      }
    case .object(let object):
      return object.members.filter { $0.name != "id" }.flatMap { member in
        counters(member.value, path.isEmpty ? member.name : "\(path).\(member.name)")
      }
    default: return []
    }
  }

  /// "45 s", "3 h 12 min", "12 d 4 h"
  static func duration(_ nanoseconds: UInt64) -> String {
    let seconds = nanoseconds / 1_000_000_000
    switch seconds {
    case ..<60: return "\(seconds) s"
    case ..<3600: return "\(seconds / 60) min \(seconds % 60) s"
    case ..<86_400: return "\(seconds / 3600) h \(seconds / 60 % 60) min"
    default: return "\(seconds / 86_400) d \(seconds / 3600 % 24) h"
    }
  }

  private static func loaded(_ plugin: PluginIdentity) -> String {
    "\(plugin.name) \(plugin.version)  \(plugin.path)  sha256:\(plugin.sha256.prefix(12))"
  }

  private static func guestTable(_ guests: [GuestReport]) -> String {
    var table = Table("GUEST", "NAME", "TRANSPORT", "MAC", "SINCE")
    for guest in guests {
      table.add(String(guest.id), guest.name, guest.transport, guest.mac, guest.since)
    }
    return table.text
  }
}

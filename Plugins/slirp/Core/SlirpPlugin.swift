// SPDX-License-Identifier: Apache-2.0
//
// The slirp network: a Stack with a DHCP server, forwards and a name for the host. Every guest is isolated, on a port
// of its own, and all have the same address. Loop thread only; NetStack processes the frames.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

/// An instance of the slirp plugin.
package final class Slirp: GatewayPlugin, LeaseExtension {
  let options: SlirpOptions
  private var guestNames = GuestNames()
  private let hostSearch = HostSearchDomains()
  /// An IPv6 address of a guest came or went in this iteration.
  private var isDirty = false

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try SlirpOptions(config.options)
    try super.init(
      host: host, config: config, stack: try Stack.make(host, options.stackConfig))
    let dhcp = DHCPService(
      stack: stack.core, configuration: options.dhcp, policy: .single(options.address))
    // A link has one guest, whose lease lasts as long as the link.
    dhcp.isPresent = { _ in true }
    dhcp.searchDomains = { [unowned self] in search }
    stack.udp.dhcp = dhcp
    stack.core.linkOfHost = { [unowned dhcp] in dhcp.link(ofHost: $0) }
  }

  /// The current search domains.
  private var search: [String] { options.common.search ?? hostSearch.current }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try SlirpOptions(config.options)
  }

  package override func start() throws(PluginFailure) {
    let plan = IPv6Plan(
      file: "slirp-prefix6", hasOwnDNS: true, isSingle: true,
      leaseSeconds: options.common.leaseSeconds)
    let control = startIPv6(options.ipv6, plan)
    // All stations of a link belong to its one guest.
    control?.isOneGuest = { _, _ in true }
    control?.searchDomains = { [unowned self] in search }
    control?.onChange = { [unowned self] _ in isDirty = true }
    guard let names = HostNames(host) else { return }
    try names.publish(Self.hostName, options.gateway.description)
    if let control { try names.publish(Self.hostName, control.configuration.gateway.description) }
  }

  package override func stop(_ op: lnd_op) {
    HostNames(host)?.withdraw(Self.hostName)
    super.stop(op)
  }

  package override func portUp(_ info: PortInfo) throws(PluginFailure) {
    try super.portUp(info)
    guestNames.publish(info.name, of: info.port, address: options.address, by: HostNames(host))
  }

  package override func portChanged(_ info: PortInfo) {
    stack.services(of: stack.link(of: info.port))?.name = info.name
    guestNames.withdraw(info.port, by: HostNames(host))
    guestNames.publish(info.name, of: info.port, address: options.address, by: HostNames(host))
  }

  package override func portDown(_ port: lnd_port) {
    super.portDown(port)
    guestNames.withdraw(port, by: HostNames(host))
  }

  package override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    super.rx(port, frames, count)
    if isDirty { settle() }
  }

  package override func onTimer(_ timer: lnd_handle, user: UInt64) {
    super.onTimer(timer, user: user)
    if isDirty { settle() }
  }

  /// Publishes the present names of guests' IPv6 addresses.
  private func settle() {
    isDirty = false
    guard let ipv6, let names = HostNames(host) else { return }
    for port in guestNames.ports {
      let link = stack.link(of: port)
      guard link != 0 else { continue }
      let state = stack.links.pointer(link).pointee
      let mac = state.guestMAC6 == .zero ? state.guestMAC : state.guestMAC6
      guestNames.set(ipv6.primary(of: mac, port: port), of: port, by: names)
    }
  }

  package override func status(_ sink: lnd_sink) { host.write(sink, statusReport.text) }

  // MARK: Extensions

  package func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    let link = stack.link(of: request.port)
    guard link != 0 else {
      throw PluginFailure(LND_ERR_NOT_FOUND, "there is no such guest")
    }
    guard
      let address = stack.udp.dhcp?.reserve(
        port: request.port, mac: MACAddress(bytes: request.mac), name: request.name)
    else { throw PluginFailure(LND_ERR_LIMIT, "the network has no address left") }
    let ipv6 = reserveIPv6(port: request.port, mac: MACAddress(bytes: request.mac))
    stack.endOfIteration()
    if let address = self.ipv6?.primary(of: MACAddress(bytes: request.mac), port: request.port) {
      guestNames.set(address, of: request.port, by: HostNames(host))
    }
    return [
      "address": .string(address.description),
      "prefixLength": JSONValue(options.subnet.prefixLength),
      "gateway": .string(options.gateway.description),
      "dns": [.string(options.dns.description)],
      "mtu": JSONValue(stack.links.pointer(link).pointee.mtu),
      "search": .array(search.map { .string($0) }),
      "ipv6": ipv6 ?? .null,
    ]
  }

  package func listLeases() -> JSONValue {
    (try? JSONValue(parsing: listLeasesText())) ?? .array([])
  }

  package func listLeasesText() -> [UInt8] {
    let leases = stack.leaseLines()
    guard let ipv6 else { return LeaseLine.array(leases) }
    let six = stack.allLinks.flatMap { link in
      let port = stack.links.pointer(link).pointee.port
      let name = stack.services(of: link)?.name ?? ""
      return ipv6Leases(
        ipv6.addresses(port: port), name: { _ in name },
        hostname: { ipv6.hostname(of: $0, port: port) },
        primary: { ipv6.primary(of: $0, port: port) })
    }
    return LeaseLine.array(leases + six)
  }
}

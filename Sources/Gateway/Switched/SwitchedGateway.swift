// SPDX-License-Identifier: Apache-2.0
//
// A gateway whose guests share a switch: a Stack on the switch's port, with a DHCP pool, names for guests and the host, and
// bindings for the switch's guard. Frames between guests do not pass here. Leases and names: SwitchedGateway+Guests.swift.
// Thread: loop only.

import LimaNetdSDK
import NetStack
import PluginAPI

/// Base class of plugins with a switch: user-v2, shared, host.
open class SwitchedGateway: GatewayPlugin, LeaseExtension, GuestsExtension {
  package final let settings: SwitchedSettings
  final let dhcp: DHCPService
  package final var directory: GuestDirectory
  final let store: LeaseStore
  private let addressFile: AddressFile
  final let names: HostNames?
  final let hostGuard: HostGuard?
  private let hostSearch = HostSearchDomains()

  /// The switch's port, once it is up; 0 before.
  package final var port: lnd_port = 0
  /// Timer for the next binding to end, and for leases not written yet.
  final var expiryTimer: lnd_handle = 0
  final var saveTimer: lnd_handle = 0
  final var lastSave: UInt64 = 0
  /// Timer for the next probe of stations with leases, and the number of probes since a guest came up.
  final var censusTimer: lnd_handle = 0
  final var censuses = 0

  package init(
    host: HostContext, config: NetworkConfig, settings: SwitchedSettings, stack: Stack
  ) throws(PluginFailure) {
    self.settings = settings
    dhcp = DHCPService(
      stack: stack.core, configuration: settings.dhcp, policy: .pool(settings.pool))
    directory = GuestDirectory(domain: settings.domain, reserved: [Self.hostName])
    addressFile = AddressFile(
      directory: config.stateDirectory, file: "\(settings.prefixFile)-addresses")
    store = LeaseStore(
      directory: config.stateDirectory, file: settings.leaseFile, addressFile: addressFile,
      keepsLimaFile: settings.keepsLimaLeases, host: host)
    names = HostNames(host)
    hostGuard = HostGuard(host)
    try super.init(host: host, config: config, stack: stack)
    stack.udp.dhcp = dhcp
    stack.core.guestName = { [unowned self] in directory.guestName(of: $0) }
    dhcp.onChange = { [unowned self] in directory.changed($0) }
    dhcp.admits = { [unowned self] in
      directory.admits($0, now: self.stack.core.elapsed, leases: $1)
    }
    dhcp.searchDomains = { [unowned self] in search }
    dhcp.registeredName = { [unowned self] in directory.fullName($0, of: $1) }
    dhcp.isPresent = { [unowned self] in directory.isPresent($0) }
    dhcp.isOneGuest = { [unowned self] in directory.isOneGuest($0, $1) }
    dhcp.isAlone = { [unowned self] in directory.isAlone($0) }
  }

  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_INTERNAL, "a gateway is made by its subclass")
  }

  open override func start() throws(PluginFailure) {
    try names?.publish(Self.hostName, settings.router.description)
    try hostGuard?.bind(
      settings.router.description, to: stack.config.gatewayMAC.bytes, own: true)
    hostGuard?.serveDHCP(true)
    let plan = IPv6Plan(
      file: settings.prefixFile, hasOwnDNS: false, isSingle: false,
      leaseSeconds: settings.dhcp.leaseSeconds)
    if let control = startIPv6(settings.ipv6, plan) { try begin(control) }
  }

  private func begin(_ control: IPv6Control) throws(PluginFailure) {
    control.onChange = { [unowned self] in directory.changed($0) }
    control.isPresent = { [unowned self] in directory.isPresent($0) }
    control.isOneGuest = { [unowned self] in directory.isOneGuest($0, $1) }
    control.guest = { [unowned self] in directory.port(of: $0) }
    control.searchDomains = { [unowned self] in search }
    control.registeredName = { [unowned self] in directory.fullName($0, of: $1) }
    let own = control.configuration
    for address in Set([own.gateway, own.dns, own.linkLocal]) {
      try hostGuard?.bind(address.description, to: own.mac.bytes, own: true)
    }
    try names?.publish(Self.hostName, own.gateway.description)
  }

  open override func onWake() {
    super.onWake()
    store.finish()
  }

  open override func stop(_ op: lnd_op) {
    saveLast()
    names?.withdraw(Self.hostName)
    super.stop(op)
  }

  open override func portUp(_ info: PortInfo) throws(PluginFailure) {
    try super.portUp(info)
    guard info.kind == LND_PORT_SWITCH else { return }
    port = info.port
    let former = store.read(router: settings.router)
    directory.restore(order: former.lazy.map(\.client.mac))
    dhcp.restore(former, port: port)
    ipv6?.restore(addressFile.read().map { ($0.address, $0.mac) }, port: port)
    // All at once: no guest may take an address before the guard has its binding.
    settle(limit: .max)
    directory.forgetOrder()
  }

  open override func portDown(_ port: lnd_port) {
    if port == self.port {
      save()
      self.port = 0
    }
    super.portDown(port)
  }

  open override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    super.rx(port, frames, count)
    if directory.isPending { settle() }
  }

  open override func onTimer(_ timer: lnd_handle, user: UInt64) {
    switch timer {
    case expiryTimer:
      expiryTimer = 0
      settle()
    case saveTimer:
      saveTimer = 0
      save()
    case censusTimer:
      censusTimer = 0
      askAbsent()
    default:
      super.onTimer(timer, user: user)
      if directory.isPending { settle() }
    }
  }

  /// The search domains at present.
  package final var search: [String] { settings.search(host: hostSearch.current) }

  /// Status members for the network and its guests; counters since the start.
  package final var networkMembers: JSONObject {
    let link = stack.link(of: port)
    return [
      "network": .string("\(settings.subnet.network)/\(settings.subnet.prefixLength)"),
      "gateway": .string(settings.router.description),
      "dns": .string(settings.router.description),
      "guests": JSONValue(directory.guestCount),
      "names": JSONValue(directory.nameCount),
      "leases": JSONValue(dhcp.leases().count),
      "shares": stack.shareList { directory.guestName(of: $0) },
      "link": link == 0 ? .null : .object(stack.linkMembers(link)),
    ] + ipv6Members
  }
}

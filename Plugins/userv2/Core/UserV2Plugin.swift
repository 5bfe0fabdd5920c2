// SPDX-License-Identifier: Apache-2.0
//
// The user-v2 network: a Stack on the port of the host's switch, with a DHCP pool, names for
// guests and for the host, and a guard of everybody's addresses. Frames between guests never come
// here. Loop thread only; what happens to frames is NetStack's, what becomes of leases and names
// is in UserV2+Guests.swift.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI

/// An instance of the userv2 plugin.
package final class UserV2: GatewayPlugin, LeaseExtension, GuestsExtension {
  let options: UserV2Options
  let dhcp: DHCPService
  var directory: GuestDirectory
  var store: LeaseStore
  let names: HostNames?
  let hostGuard: HostGuard?
  private let hostSearch = HostSearchDomains()

  /// The port of the switch, once it is up.
  var port: lnd_port = 0
  /// A binding or a guest changed in this turn.
  var isDirty = false
  /// For the next binding that ends by itself, and for leases that are not on disk yet.
  var expiryTimer: lnd_handle = 0
  var saveTimer: lnd_handle = 0
  var lastSave: UInt64 = 0

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try UserV2Options(config.options)
    let stack = try Stack.make(host, options.stackConfig)
    dhcp = DHCPService(
      stack: stack.core, configuration: options.dhcp, policy: .pool(options.pool))
    directory = GuestDirectory(domain: options.domain, reserved: [Self.hostName])
    store = LeaseStore(directory: config.stateDirectory, host: host)
    names = HostNames(host)
    hostGuard = HostGuard(host)
    try super.init(host: host, config: config, stack: stack)
    stack.udp.dhcp = dhcp
    dhcp.onChange = { [unowned self] in isDirty = true }
    dhcp.admits = { [unowned self] in directory.admits($0, $1, now: self.stack.core.elapsed) }
    dhcp.searchDomains = { [unowned self] in search }
    dhcp.isPresent = { [unowned self] in directory.isPresent($0) }
    dhcp.isAlone = { [unowned self] in directory.isAlone($0) }
  }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try UserV2Options(config.options)
  }

  package override func start() throws(PluginFailure) {
    try names?.publish(Self.hostName, options.router.description)
    try hostGuard?.bind(
      options.router.description, to: stack.config.gatewayMAC.bytes, own: true)
    hostGuard?.serveDHCP(true)
  }

  package override func stop(_ op: lnd_op) {
    save()
    names?.withdraw(Self.hostName)
    super.stop(op)
  }

  package override func portUp(_ info: PortInfo) throws(PluginFailure) {
    try super.portUp(info)
    guard info.kind == LND_PORT_SWITCH else { return }
    port = info.port
    dhcp.restore(store.read(router: options.router), port: port)
    settle()
  }

  package override func portDown(_ port: lnd_port) {
    if port == self.port {
      save()
      self.port = 0
    }
    super.portDown(port)
  }

  package override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    super.rx(port, frames, count)
    if isDirty { settle() }
  }

  package override func onTimer(_ timer: lnd_handle, user: UInt64) {
    switch timer {
    case expiryTimer:
      expiryTimer = 0
      settle()
    case saveTimer:
      saveTimer = 0
      save()
    default:
      super.onTimer(timer, user: user)
      if isDirty { settle() }
    }
  }

  /// Search domains as they are now.
  var search: [String] { options.search(host: hostSearch.current) }

  package override func status(_ sink: lnd_sink) { host.write(sink, statusReport.text) }

}

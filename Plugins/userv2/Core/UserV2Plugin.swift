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
package final class UserV2: NetworkPlugin, ForwardExtension, LeaseExtension, ConnectExtension,
  GuestsExtension
{
  /// The name under which guests find the host.
  static let hostName = "host.lima.internal"

  let options: UserV2Options
  let stack: Stack
  let dhcp: DHCPService
  var directory: GuestDirectory
  var store: LeaseStore
  let names: HostNames?
  let hostGuard: HostGuard?

  /// The port of the switch, once it is up.
  var port: lnd_port = 0
  /// A binding or a guest changed in this turn.
  var isDirty = false
  /// For the next binding that ends by itself, and for leases that are not on disk yet.
  var expiryTimer: lnd_handle = 0
  var saveTimer: lnd_handle = 0
  var lastSave: UInt64 = 0
  private var isDown = false

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try UserV2Options(config.options)
    stack = try Stack.make(host, options.stackConfig)
    dhcp = DHCPService(
      stack: stack.core, configuration: options.dhcp, policy: .pool(options.pool))
    directory = GuestDirectory(domain: options.domain, reserved: [Self.hostName])
    store = LeaseStore(directory: config.stateDirectory, host: host)
    names = HostNames(host)
    hostGuard = HostGuard(host)
    try super.init(host: host, config: config)
    stack.udp.dhcp = dhcp
    dhcp.onChange = { [unowned self] in isDirty = true }
    dhcp.admits = { [unowned self] in directory.admits($0, $1, now: self.host.now) }
  }

  deinit {
    if !isDown { stack.shutDown() }
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
    stack.shutDown()
    isDown = true
    host.complete(op)
  }

  package override func portUp(_ info: PortInfo) throws(PluginFailure) {
    try stack.portUp(info)
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
    stack.portDown(port)
  }

  package override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    stack.rx(port, frames, UInt32(truncatingIfNeeded: count))
    if isDirty { settle() }
  }

  package override func txReady(_ port: lnd_port) { stack.txReady(port) }

  package override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    stack.onFds(events, UInt32(truncatingIfNeeded: count))
  }

  package override func onTimer(_ timer: lnd_handle, user: UInt64) {
    switch timer {
    case expiryTimer:
      expiryTimer = 0
      settle()
    case saveTimer:
      saveTimer = 0
      save()
    default: stack.onTimer(timer)
    }
  }

  package override func onOpDone(
    _ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    stack.onOpDone(op, status, bytes)
  }

  package override func status(_ sink: lnd_sink) { host.write(sink, statusReport.text) }

  // MARK: Extensions

  package func expose(_ request: ForwardRequest) throws(PluginFailure) {
    try stack.expose(request)
  }

  package func unexpose(_ request: ForwardRequest) throws(PluginFailure) {
    try stack.unexpose(request)
  }

  package func listForwards() -> JSONValue { stack.forwardList }

  package func connect(
    _ op: lnd_op, _ fd: Int32, _ request: ConnectRequest
  ) throws(PluginFailure) {
    try stack.connect(op, fd, request)
  }
}

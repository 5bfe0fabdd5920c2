// SPDX-License-Identifier: Apache-2.0
//
// The slirp network: a Stack with a DHCP server, forwards and a name for the host. Every
// guest is alone with it, on a port of its own, and has the same address as all
// others. Loop thread only; what happens to frames is NetStack's.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI

/// An instance of the slirp plugin.
package final class Slirp: NetworkPlugin, ForwardExtension, LeaseExtension, ConnectExtension {
  /// The name under which guests find the host.
  static let hostName = "host.lima.internal"

  let options: SlirpOptions
  let stack: Stack
  private var guestNames = GuestNames()
  private var isDown = false

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try SlirpOptions(config.options)
    stack = try Stack.make(host, options.stackConfig)
    try super.init(host: host, config: config)
    stack.udp.dhcp = DHCPService(
      stack: stack.core, configuration: options.dhcp, policy: .single(options.address))
  }

  deinit {
    if !isDown { stack.shutDown() }
  }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try SlirpOptions(config.options)
  }

  package override func start() throws(PluginFailure) {
    guard let names = HostNames(host) else { return }
    try names.publish(Self.hostName, options.gateway.description)
  }

  package override func stop(_ op: lnd_op) {
    HostNames(host)?.withdraw(Self.hostName)
    stack.shutDown()
    isDown = true
    host.complete(op)
  }

  package override func portUp(_ info: PortInfo) throws(PluginFailure) {
    try stack.portUp(info)
    guestNames.publish(info.name, of: info.port, address: options.address, by: HostNames(host))
  }

  package override func portDown(_ port: lnd_port) {
    stack.portDown(port)
    guestNames.withdraw(port, by: HostNames(host))
  }

  package override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    stack.rx(port, frames, UInt32(truncatingIfNeeded: count))
  }

  package override func txReady(_ port: lnd_port) { stack.txReady(port) }

  package override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    stack.onFds(events, UInt32(truncatingIfNeeded: count))
  }

  package override func onTimer(_ timer: lnd_handle, user: UInt64) { stack.onTimer(timer) }

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

  package func reserve(_ request: LeaseRequest) throws(PluginFailure) -> JSONValue {
    let link = stack.link(of: request.port)
    guard link != 0 else {
      throw PluginFailure(LND_ERR_NOT_FOUND, "there is no such guest")
    }
    guard
      let address = stack.udp.dhcp?.reserve(
        port: request.port, mac: MACAddress(bytes: request.mac), name: request.name)
    else { throw PluginFailure(LND_ERR_LIMIT, "the network has no address left") }
    return [
      "address": .string(address.description),
      "prefixLength": JSONValue(options.subnet.prefixLength),
      "gateway": .string(options.gateway.description),
      "dns": [.string(options.dns.description)],
      "mtu": JSONValue(stack.links.pointer(link).pointee.mtu),
      "search": .array(options.common.search.map { .string($0) }),
    ]
  }

  package func listLeases() -> JSONValue { stack.leaseList(now: host.now) }
}

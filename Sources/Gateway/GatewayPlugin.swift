// SPDX-License-Identifier: Apache-2.0
//
// Base class of plugins with a Stack: passes frames, events and connections to it, and ends it with the instance.
// Subclasses add addresses, leases and names.

import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

/// An instance of a gateway. Thread: loop only.
open class GatewayPlugin: NetworkPlugin, ForwardExtension, ConnectExtension {
  /// The name of the host for guests.
  package static let hostName = "host.lima.internal"

  package final let stack: Stack
  /// The network's directory for files that outlive the process; "": none.
  final let stateDirectory: String
  /// The name of the network's interface on the host; "": none.
  package final var ownInterface = ""
  /// Nil without IPv6.
  package final var ipv6: IPv6Control?
  /// Nil without NAT64.
  final var dns64: DNS64?
  private var isDown = false
  /// The options in effect.
  private var options: JSONValue

  /// - Parameter stack: from `Stack.make`.
  package init(host: HostContext, config: NetworkConfig, stack: Stack) throws(PluginFailure) {
    self.stack = stack
    stateDirectory = config.stateDirectory
    options = config.options.json
    try super.init(host: host, config: config)
  }

  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_INTERNAL, "a gateway is made by its subclass")
  }

  deinit {
    if !isDown { shutDown() }
  }

  private func shutDown() {
    ipv6?.close()
    stack.shutDown()
  }

  open override func stop(_ op: lnd_op) {
    shutDown()
    isDown = true
    host.complete(op)
  }

  /// Changes egress rules and limits of a running network; other options cannot change.
  open override func reconfigure(_ config: NetworkConfig) throws(PluginFailure) {
    guard Self.fixed(config.options.json) == Self.fixed(options) else {
      throw PluginFailure(
        LND_ERR_UNSUPPORTED,
        "of a running network only egress, limits and portSecurity can change: start it anew"
      )
    }
    let limits = try GatewayOptions.limits(config.options)
    stack.setEgress(try EgressOptions.read(config.options))
    stack.setLimits(limits)
    options = config.options.json
  }

  private static func fixed(_ options: JSONValue) -> JSONValue {
    guard case .object(var members) = options else { return options }
    members["egress"] = nil
    members["closedNetworks"] = nil
    members["limits"] = nil
    // Enforced by the host.
    members["portSecurity"] = nil
    return .object(members)
  }

  /// Uplinks are not links of the stack.
  open override func portUp(_ info: PortInfo) throws(PluginFailure) {
    if info.kind != LND_PORT_UPLINK { try stack.portUp(info) }
  }

  open override func portDown(_ port: lnd_port) { stack.portDown(port) }

  open override func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    stack.rx(port, frames, count)
  }

  public final override func txReady(_ port: lnd_port) { stack.txReady(port) }

  public final override func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    stack.onFDs(events, count)
  }

  open override func onTimer(_ timer: lnd_handle, user: UInt64) { stack.onTimer(timer) }

  public final override func onOpDone(
    _ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    let answer = status == LND_OK ? ByteView(bytes) : nil
    guard let dns64 else { return stack.onAnswer(op, answer) }
    switch dns64.answered(op, answer) {
    case .unchanged: stack.onAnswer(op, answer)
    case .waits: break
    case .answer(let question, let message):
      guard let message else { return stack.onAnswer(question, nil) }
      message.withByteView { stack.onAnswer(question, $0) }
    }
  }

  // MARK: Extensions

  public final func expose(_ request: ForwardRequest) throws(PluginFailure) {
    try stack.expose(request)
  }

  public final func unexpose(_ request: ForwardRequest) throws(PluginFailure) {
    try stack.unexpose(request)
  }

  public final func listForwards() -> JSONValue { stack.forwardList }

  public final func connect(
    _ op: lnd_op, _ fd: Int32, _ request: ConnectRequest
  ) throws(PluginFailure) {
    try stack.connect(op, fd, request)
  }
}

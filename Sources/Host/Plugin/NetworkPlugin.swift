// SPDX-License-Identifier: Apache-2.0
//
// NetworkPlugin: an instance of a network plugin: its life cycle, its ports and the path of its frames. A switched network
// has a Switch between guests and plugin, an isolated one an IsolatedBinding. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

/// Functions of the network process for its network plugin.
protocol NetworkServices: AnyObject {
  func pluginAsks(
    _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64, from: DNSQuestioner
  ) -> lnd_op?
  func pluginCancels(_ operation: lnd_op)
  func publish(_ name: String, _ address: String) -> lnd_status
  func withdraw(_ name: String, _ address: String?) -> lnd_status
  /// Takes ownership of the descriptor. On failure the port is 0, and `fail` was called.
  /// - Parameter takesOffloads: false if frames must be complete although a virtio-net header could describe offloads.
  func addUplink(_ uplink: lnd_uplink, takesOffloads: Bool) -> (lnd_status, lnd_port)
  func removeUplink(_ port: lnd_port)
  /// A guest got or lost an address.
  func leasesChanged()
  func networkOperationDone(_ operation: Operation, _ result: Result<[UInt8], HostError>)
}

final class NetworkPlugin: PluginRole {
  let bridge: PluginBridge
  let plugin: LoadedPlugin
  weak var services: (any NetworkServices)?
  private let ops: lnd_network_ops
  /// limanetd.guests/1, if the plugin has it.
  let guests: lnd_plugin_guests?
  /// limanetd.tap/1, if the supervisor passed a TAP.
  private(set) var tap: GivenTap?
  /// Its `rx` and `tx_ready`.
  private(set) var receiver: FrameReceiver = .discard
  /// For plugins that take no offloads.
  private let plain: PlainFrames?
  /// Bit set of the rules of lnd_frame that the plugin has violated: each is reported once.
  private var faultsTold: UInt32 = 0
  var noticeLog = RateLimit(burst: 10, interval: 60_000_000_000)

  /// The network's MTU; 0: not configured.
  private var mtu: UInt32 = 0
  /// Whether the switch's port is up.
  private var isUp = false
  /// The plugin's uplinks: those whose `port_up` is pending, in order, and those that are up.
  var unannounced: [Port] = []
  private var announced: Set<lnd_port> = []

  /// The arguments of `rx` during the call.
  private var batch: (port: lnd_port, frames: UnsafePointer<lnd_frame>?, count: UInt32) = (
    0, nil, 0
  )

  // One of the two is set.
  private(set) var learningSwitch: Switch?
  private(set) var binding: IsolatedBinding?
  // For the packet path: accessed without a retain.
  private var fastSwitch: Unmanaged<Switch>?
  private var fastBinding: Unmanaged<IsolatedBinding>?

  init(_ plugin: LoadedPlugin, _ ops: lnd_network_ops, log: HostLog, reactor: Reactor) {
    self.plugin = plugin
    self.ops = ops
    plain = plugin.descriptor.wantsPlainFrames ? PlainFrames() : nil
    guests = plugin.descriptor.getExtension(LND_EXT_GUESTS).flatMap {
      try? ABITable.copy($0, into: lnd_plugin_guests(), minimum: ABI10.guests)
    }
    bridge = PluginBridge(
      name: plugin.descriptor.name, kind: "network", callbacks: ops.instance, log: log,
      reactor: reactor)
    bridge.role = self
    bridge.network = Unmanaged.passUnretained(self)
    // Never freed, as its bridge.
    let context = Unmanaged.passRetained(self).toOpaque()
    let receiver = FrameReceiver(
      context: context, frames: receiveFrames, ready: ops.tx_ready == nil ? nil : portReady)
    self.receiver = receiver
    if plugin.descriptor.isIsolated {
      let binding = IsolatedBinding(plugin: receiver)
      binding.onMalformed = { [unowned self] in noteMalformed($0) }
      self.binding = binding
      fastBinding = Unmanaged.passUnretained(binding)
    } else {
      let learningSwitch = Switch(plugin: receiver)
      learningSwitch.onMalformed = { [unowned self] in noteMalformed($0) }
      self.learningSwitch = learningSwitch
      fastSwitch = Unmanaged.passUnretained(learningSwitch)
    }
  }

  var isIsolated: Bool { binding != nil }

  // MARK: Life

  /// Calls validate and create, and begins `start`; `finishStart` is called when that has ended.
  /// - Parameter tap: descriptor of `spec.tap`; ownership is taken in every case.
  func beginStart(_ spec: NetworkSpec, tap fd: Int32? = nil) throws(HostError) {
    try take(spec.tap, fd, hasOther: spec.hasPeer || spec.hasCards)
    mtu = UInt32(clamping: spec.mtu)
    try bridge.create(plugin.descriptor, settings(spec))
    bridge.beginStart()
  }

  /// Called when a guest claims an address of another, which may have left without the plugin being notified.
  var onContest: () -> Void = {}

  /// After `start`: brings up the port of a switched network, and the uplinks added meanwhile.
  func finishStart() throws(HostError) {
    guard learningSwitch != nil else { return }
    var info = switchInfo
    try portUp(&info, name: "")
    isUp = true
    watchSwitch()
    announceUplinks()
  }

  /// Validates options without creating an instance.
  func validate(_ spec: NetworkSpec) throws(HostError) {
    try bridge.validate(plugin.descriptor, settings(spec))
  }

  /// Changes options of the running instance, if the plugin can.
  func reconfigure(_ spec: NetworkSpec) throws(HostError) {
    try bridge.reconfigure(settings(spec))
    let changed = UInt32(clamping: spec.mtu)
    guard changed != mtu else { return }
    mtu = changed
    guard isUp else { return }
    portChanged(switchInfo, name: "")
  }

  private func settings(_ spec: NetworkSpec) -> InstanceSettings {
    InstanceSettings(
      network: spec.name, mode: spec.mode, instance: plugin.descriptor.name, options: spec.options,
      stateDirectory: spec.stateDirectory)
  }

  /// - Parameter hasOther: the supervisor provides the network's uplink by ports.
  private func take(_ spec: TapSpec?, _ fd: Int32?, hasOther: Bool) throws(HostError) {
    if let fd, let spec, plugin.descriptor.needsTap {
      tap = GivenTap(spec, fd: fd)
      return
    }
    if let fd { Descriptor.close(fd) }
    guard plugin.descriptor.needsTap, !hasOther else { return }
    throw HostError(
      .unsupported, "the plugin needs a TAP of the host's, and got none", plugin: bridge.name)
  }

  // MARK: Ports

  /// Adds a guest's port to the network. On failure nothing has changed.
  func attach(_ port: Port) throws(HostError) {
    if let learningSwitch {
      guard learningSwitch.attach(port, as: .guest) != nil else {
        throw HostError(.limit, "the network has as many guests as it can take")
      }
      guestUp(port)
      return
    }
    guard let binding, binding.attach(port) != nil else {
      throw HostError(.limit, "the network has as many guests as it can take")
    }
    var info = guestInfo(port)
    do throws(HostError) {
      try portUp(&info, name: port.name)
    } catch {
      binding.detach(port)
      throw error
    }
  }

  private var switchInfo: lnd_port_info {
    var info = lnd_port_info()
    info.size = UInt32(MemoryLayout<lnd_port_info>.stride)
    info.kind = LND_PORT_SWITCH
    info.port = Switch.handle
    info.mtu = mtu
    info.offloads = plugin.descriptor.wantsPlainFrames ? 0 : Switch.offloads
    info.queues = 1
    return info
  }

  /// Without the name.
  func guestInfo(_ port: Port) -> lnd_port_info {
    var info = lnd_port_info()
    info.size = UInt32(MemoryLayout<lnd_port_info>.stride)
    info.kind = LND_PORT_GUEST
    info.port = port.handle
    // Numbers from 2^32 on are local to this process.
    info.link = port.id < 1 << 32 ? port.id : 0
    info.queues = 1
    info.mtu = port.mtu
    info.offloads = plugin.descriptor.wantsPlainFrames ? 0 : port.offloads
    withUnsafeMutableBytes(of: &info.mac) { $0.copyBytes(from: MACText.bytes(port.mac)) }
    return info
  }

  /// Calls `port_up` for uplinks added since the last iteration, which must not happen inside of `add`. After the switch's
  /// port.
  func announceUplinks() {
    guard isUp, !unannounced.isEmpty else { return }
    let new = unannounced
    unannounced = []
    for port in new {
      guard let learningSwitch, learningSwitch.port(port.handle) === port, port.end == nil else {
        continue
      }
      var info = guestInfo(port)
      info.kind = LND_PORT_UPLINK
      info.link = 0
      do throws(HostError) {
        try portUp(&info, name: port.name)
        announced.insert(port.handle)
      } catch {
        bridge.log.warning(bridge.component, "refuses its uplink \(port.name): \(error.message)")
        services?.removeUplink(port.handle)
      }
    }
  }

  /// Removes an uplink of the plugin; `port_down` is called if `port_up` was.
  func uplinkDown(_ handle: lnd_port) {
    unannounced.removeAll { $0.handle == handle }
    guard announced.remove(handle) != nil else { return }
    portDown(handle)
  }

  private func portUp(_ info: inout lnd_port_info, name: String) throws(HostError) {
    var copy = info
    let result: Result<Void, HostError> = name.withCString { name in
      copy.name = name
      return Result { () throws(HostError) in
        try bridge.attempt("port_up") { ops.port_up?(bridge.instance, &copy) ?? LND_ERR_INTERNAL }
      }
    }
    try result.get()
  }

  /// Reports a change of a guest's port to the plugin.
  func changed(_ port: Port) {
    if learningSwitch?.port(port.handle) === port { return guestChanged(port) }
    guard binding?.port(port.handle) === port else { return }
    portChanged(guestInfo(port), name: port.name)
  }

  private func portChanged(_ info: lnd_port_info, name: String) {
    guard let changed = ops.port_changed, bridge.instance != nil else { return }
    var info = info
    name.withCString { name in
      info.name = name
      bridge.call("port_changed") { changed(bridge.instance, &info) }
    }
  }

  /// Removes a guest's port from the network. Idempotent.
  func detach(_ port: Port) {
    if let learningSwitch, learningSwitch.port(port.handle) === port {
      let handle = port.handle
      learningSwitch.detach(port)
      guestDown(handle)
    }
    guard let binding, binding.port(port.handle) === port else { return }
    portDown(port.handle)
    binding.detach(port)
  }

  func portDown(_ handle: lnd_port) {
    guard bridge.instance != nil else { return }
    bridge.call("port_down") { ops.port_down?(bridge.instance, handle) }
  }

  /// Before `stop`: removes the switch's port, the last one.
  func detachSwitch() {
    guard learningSwitch != nil, isUp else { return }
    isUp = false
    portDown(Switch.handle)
  }

  // MARK: Frames

  func send(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: UInt32) -> UInt32 {
    if let fastBinding {
      return fastBinding._withUnsafeGuaranteedRef { $0.send(port, frames, count) }
    }
    if let fastSwitch {
      return fastSwitch._withUnsafeGuaranteedRef { $0.send(port, frames, count) }
    }
    return count
  }

  /// limanetd.uplink/1
  func relay(_ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    fastSwitch?._withUnsafeGuaranteedRef { $0.relay(frames, count) }
  }

  @inline(__always)
  fileprivate func receive(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>?, _ count: UInt32) {
    guard let rx = ops.rx else { return }
    if let plain, let frames {
      return plain.adapt(frames, Int(count), offloads: 0) { frames, count in
        batch = (port, frames, UInt32(truncatingIfNeeded: count))
        bridge.call("rx") { rx(bridge.instance, port, frames, UInt32(truncatingIfNeeded: count)) }
        batch.count = 0
      }
    }
    batch = (port, frames, count)
    bridge.call("rx") { rx(bridge.instance, port, frames, count) }
    batch.count = 0
  }

  /// During `rx`: the frame of the batch that ends in these bytes, with the port of its guest. It identifies the guest of a
  /// question. Nil if there is none, or outside of `rx`.
  func frame(endingIn bytes: [UInt8]) -> (frame: lnd_frame, guest: lnd_port)? {
    guard let frames = batch.frames else { return nil }
    for frame in UnsafeBufferPointer(start: frames, count: Int(batch.count)) {
      guard let data = frame.data, frame.flags & LND_FRAME_SLICES == 0,
        Int(frame.length) > bytes.count, frame.length <= QuestionJournal.longestFrame
      else { continue }
      let end = UnsafeRawBufferPointer(
        start: data + (Int(frame.length) - bytes.count), count: bytes.count)
      guard end.elementsEqual(bytes) else { continue }
      return (frame, frame.source == 0 ? batch.port : frame.source)
    }
    return nil
  }

  /// A frame from the plugin was dropped.
  private func noteMalformed(_ frame: UnsafePointer<lnd_frame>) {
    // If the members of lnd_frame are valid, the error is in the headers.
    let fault = frame.fault ?? .segments
    guard faultsTold & 1 << fault.rawValue == 0 else { return }
    faultsTold |= 1 << fault.rawValue
    bridge.log.warning(
      bridge.component,
      "sent a malformed frame, which was dropped (lnd_plugin.h, lnd_frame, \(fault.text)); more like it are counted only"
    )
  }

  @inline(__always)
  fileprivate func ready(_ port: lnd_port) {
    guard let ready = ops.tx_ready else { return }
    bridge.call("tx_ready") { ready(bridge.instance, port) }
  }

  // MARK: Operations and extensions

  /// Completes an operation requested by the plugin.
  func complete(_ operation: lnd_op, _ status: lnd_status, _ bytes: [UInt8]) {
    guard let done = ops.instance.on_op_done, bridge.instance != nil else { return }
    bytes.withUnsafeBufferPointer { buffer in
      bridge.call("on_op_done") {
        done(bridge.instance, operation, status, buffer.baseAddress, UInt64(buffer.count))
      }
    }
  }

  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    services?.networkOperationDone(operation, bridge.outcome(status, bytes))
  }

  func hostExtension(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case LND_EXT_DNS: HostExtensions.dns
    case LND_EXT_NAMES: HostExtensions.names
    case LND_EXT_UPLINK where !isIsolated: HostExtensions.uplink
    case LND_EXT_GUARD where !isIsolated: HostExtensions.addressGuard
    case LND_EXT_TAP where tap != nil && !isIsolated: HostExtensions.tap
    default: nil
    }
  }
}

/// Functions of FrameReceiver; `context` is the NetworkPlugin.
private func receiveFrames(
  _ context: UnsafeMutableRawPointer?, _ port: lnd_port, _ frames: UnsafePointer<lnd_frame>?,
  _ count: UInt32
) {
  guard let context else { return }
  Unmanaged<NetworkPlugin>.fromOpaque(context)._withUnsafeGuaranteedRef {
    $0.receive(port, frames, count)
  }
}

private func portReady(_ context: UnsafeMutableRawPointer?, _ port: lnd_port) {
  guard let context else { return }
  Unmanaged<NetworkPlugin>.fromOpaque(context)._withUnsafeGuaranteedRef { $0.ready(port) }
}

// SPDX-License-Identifier: Apache-2.0
//
// NetworkPlugin: the instance of the network plugin: its life, its ports, and
// where its frames go. Switched networks have a Switch between guests and
// plugin, isolated ones an IsolatedBinding. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

/// What a network plugin may ask of the rest of the host.
protocol NetworkServices: AnyObject {
  func pluginAsks(
    _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64, from: DNSQuestioner
  ) -> lnd_op?
  func pluginCancels(_ operation: lnd_op)
  func publish(_ name: String, _ address: String) -> lnd_status
  func withdraw(_ name: String, _ address: String?) -> lnd_status
  /// Takes the descriptor over. After a failure the port is 0, and `fail` was called.
  /// - Parameter takesOffloads: false where frames have to go out whole although a TAP's header could say otherwise.
  func addUplink(_ uplink: lnd_uplink, takesOffloads: Bool) -> (lnd_status, lnd_port)
  func removeUplink(_ port: lnd_port)
  /// A guest's address came to be its own, or no longer is.
  func leasesChanged()
  func networkOperationDone(_ operation: Operation, _ result: Result<[UInt8], HostError>)
}

final class NetworkPlugin: PluginRole {
  let bridge: PluginBridge
  let plugin: LoadedPlugin
  weak var services: (any NetworkServices)?
  private let ops: lnd_network_ops
  /// limanetd.guests/1, if the plugin offers it.
  let guests: lnd_plugin_guests?
  /// limanetd.tap/1, if the supervisor gave it one.
  private(set) var tap: GivenTap?
  /// Its `rx` and `tx_ready`.
  private(set) var receiver: FrameReceiver = .discard
  /// Of a plugin that wants plain frames.
  private let plain: PlainFrames?
  /// Rules of lnd_frame that it has broken, a bit each: each is told once.
  private var faultsTold: UInt32 = 0
  var noticeLog = RateLimit(burst: 10, interval: 60_000_000_000)

  /// Of the network; 0: not configured.
  private var mtu: UInt32 = 0
  /// The switch's port is.
  private var isUp = false
  /// Uplinks of the plugin's, in order, whose `port_up` is due, and those that are up.
  var unannounced: [Port] = []
  private var announced: Set<lnd_port> = []

  /// What `rx` is being called with.
  private var batch: (port: lnd_port, frames: UnsafePointer<lnd_frame>?, count: UInt32) = (
    0, nil, 0
  )

  // One of the two.
  private(set) var learningSwitch: Switch?
  private(set) var binding: IsolatedBinding?
  // The same for the packet path, which retains nothing.
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
    // The instance of this class lives as long as its bridge: for ever.
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

  /// validate, create, and the beginning of `start`; `finishStart` follows its end.
  /// - Parameter tap: of `spec.tap`; taken over, whatever comes of it.
  func beginStart(_ spec: NetworkSpec, tap fd: Int32? = nil) throws(HostError) {
    try take(spec.tap, fd, hasOther: spec.hasPeer || spec.hasCards)
    mtu = UInt32(clamping: spec.mtu)
    try bridge.create(plugin.descriptor, settings(spec))
    bridge.beginStart()
  }

  /// A guest claims what another has: the other may be gone, and nobody has been told.
  var onContest: () -> Void = {}

  /// It has started: for a switched network its one port comes up, and the uplinks it has added meanwhile.
  func finishStart() throws(HostError) {
    guard learningSwitch != nil else { return }
    var info = switchInfo
    try portUp(&info, name: "")
    isUp = true
    watchSwitch()
    announceUplinks()
  }

  /// What it says of options, with nothing made.
  func validate(_ spec: NetworkSpec) throws(HostError) {
    try bridge.validate(plugin.descriptor, settings(spec))
  }

  /// Has other options hold, if it can.
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

  /// - Parameter hasOther: the supervisor sees to its way out by ports.
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

  /// Joins a guest's port to the network. On failure it is as if it had never
  /// been.
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

  /// All but the name.
  func guestInfo(_ port: Port) -> lnd_port_info {
    var info = lnd_port_info()
    info.size = UInt32(MemoryLayout<lnd_port_info>.stride)
    info.kind = LND_PORT_GUEST
    info.port = port.handle
    // Numbers from 2^32 on are this process's own.
    info.link = port.id < 1 << 32 ? port.id : 0
    info.queues = 1
    info.mtu = port.mtu
    info.offloads = plugin.descriptor.wantsPlainFrames ? 0 : port.offloads
    withUnsafeMutableBytes(of: &info.mac) { $0.copyBytes(from: MACText.bytes(port.mac)) }
    return info
  }

  /// Uplinks added since the last turn are told of: their `port_up` is not called from inside of `add`. After the switch's.
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

  /// An uplink of the plugin's is gone; it hears of that if it has heard of the uplink.
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

  /// What the plugin was told of a guest's port has changed.
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

  /// Takes a guest's port off the network. Idempotent.
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

  /// Before `stop`: the port of the switch, the last one.
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

  /// The frame of the batch that the plugin has now that ends in these bytes, with the guest's port that it came from: what
  /// brought a question. Nil: none, or the plugin is not in `rx`.
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

  /// A frame of the plugin's was dropped.
  private func noteMalformed(_ frame: UnsafePointer<lnd_frame>) {
    // What a frame's own members do not show is in its headers.
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

  /// Completes an operation that the plugin asked of the host.
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

/// FrameReceiver's functions: `context` is the NetworkPlugin.
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

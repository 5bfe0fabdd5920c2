// SPDX-License-Identifier: Apache-2.0
//
// The base of every network plugin written in Swift. A class and not a
// protocol, because the trampolines (NetworkTrampolines.swift) reach an
// override with one virtual call: no existential, no allocation per batch.
//
// Every method is called on the network's loop thread. Pointers given to a
// method are borrowed for the call.

import PluginAPI

/// What a network is to be.
public struct NetworkConfig: Sendable {
  /// Of the network, as in networks.yaml.
  public var name: String
  /// The `mode:` it was chosen for.
  public var mode: String
  /// Checked against the schema, defaults filled in.
  public var options: Options
  /// A folder where the plugin may keep what shall outlive its process; "": there is none.
  public var stateDirectory: String
  /// A name that no other instance of the network has.
  public var instance: String

  public init(
    name: String, mode: String, options: Options, stateDirectory: String = "", instance: String = ""
  ) {
    self.instance = instance
    self.name = name
    self.mode = mode
    self.options = options
    self.stateDirectory = stateDirectory
  }
}

/// A guest's link, an uplink, or the switch.
public struct PortInfo: Sendable {
  /// `LND_PORT_*`.
  public var kind: UInt32
  public var port: lnd_port
  /// Bytes of IP packet the link carries; 0 when the host doesn't know.
  public var mtu: UInt32
  /// `LND_OFFLOAD_*`.
  public var offloads: UInt32
  /// The guest's address; zero when not known.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// The guest's name, or "".
  public var name: String
  /// A number of the guest's link that stays the same when the process is started again; 0: it has none.
  public var link: UInt64 = 0
  /// Of the link.
  public var queues: UInt32 = 1

  public init(
    kind: UInt32, port: lnd_port, mtu: UInt32 = 0, offloads: UInt32 = 0,
    mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0, 0), name: String = ""
  ) {
    self.kind = kind
    self.port = port
    self.mtu = mtu
    self.offloads = offloads
    self.mac = mac
    self.name = name
  }

  /// - Parameter raw: zero-filled (`Tables.read`).
  init(_ raw: lnd_port_info) {
    self.init(
      kind: raw.kind, port: raw.port, mtu: raw.mtu, offloads: raw.offloads, mac: raw.mac,
      name: text(raw.name))
    link = raw.link
    queues = max(1, raw.queues)
  }
}

/// An instance of a network plugin: one network. Subclass it.
///
/// Ports and what leads to them end before `stop`; the instance is released
/// after `destroy`, so `deinit` is the place to give back what is left.
open class NetworkPlugin {
  /// The host; valid until `deinit` has returned.
  public final let host: HostContext

  /// Makes an instance. Must not touch the network or the file system yet.
  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    self.host = host
  }

  /// Opens what the network needs. Ports come after it.
  open func start() throws(PluginFailure) {}

  /// For what takes longer: completes `op` with `host.complete` when it is done, now or later, within LND_START_MS.
  /// `start()` by itself.
  open func start(_ op: lnd_op) throws(PluginFailure) {
    try start()
    host.complete(op)
  }

  /// Winds down and completes `op` when quiet; all ports are down already.
  open func stop(_ op: lnd_op) { host.complete(op) }

  /// A port is there. A failure disconnects the guest.
  open func portUp(_ info: PortInfo) throws(PluginFailure) {}

  /// A port is gone. An unknown port is no error.
  open func portDown(_ port: lnd_port) {}

  /// What `portUp` said has changed.
  open func portChanged(_ info: PortInfo) {}

  /// Frames from a port, 1..256 at a time, each of at least 14 bytes.
  open func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {}

  /// The port takes frames again after a short `send`.
  open func txReady(_ port: lnd_port) {}

  /// Watched fds are ready: all of one turn of the loop, at most 256.
  open func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {}

  /// A timer fired; its handle is spent.
  open func onTimer(_ timer: lnd_handle, user: UInt64) {}

  /// `wake` was called.
  open func onWake() {}

  /// An operation asked of the host is complete.
  open func onOpDone(_ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer) {}

  /// `LND_EVENT_*`: something the plugin may care for changed.
  open func onEvent(_ event: UInt32) {}

  /// Other options while it runs. LND_ERR_UNSUPPORTED, as by itself: only from the network's next start on.
  open func reconfigure(_ config: NetworkConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_UNSUPPORTED, "these options hold from the next start on")
  }

  /// Writes one JSON object: counters and state worth showing.
  open func status(_ sink: lnd_sink) { host.write(sink, "{}") }

  /// The class of the instance for a configuration: one mode of a network may be several things.
  open class func implementation(_ config: NetworkConfig) -> NetworkPlugin.Type { self }

  /// Checks rules between options that the schema cannot say.
  open class func validate(host: HostContext, config: NetworkConfig) throws(PluginFailure) {}
}

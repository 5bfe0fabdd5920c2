// SPDX-License-Identifier: Apache-2.0
//
// The base class of network plugins written in Swift. It is a class and not a protocol because the trampolines
// (NetworkTrampolines.swift) then call an override with one virtual call: no existential, no allocation per batch.
//
// All methods are called on the network's loop thread. Pointers passed to a method are borrowed for the call.

import PluginAPI

/// The configuration of a network.
public struct NetworkConfig: Sendable {
  /// Name of the network in networks.yaml.
  public var name: String
  /// The network's `mode:`.
  public var mode: String
  /// Validated by the schema, with defaults filled in.
  public var options: Options
  /// A directory for files that outlive the process; "": there is none.
  public var stateDirectory: String
  /// A name that is unique within the network.
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

/// A port: a guest's link, an uplink, or the switch.
public struct PortInfo: Sendable {
  /// `LND_PORT_*`.
  public var kind: UInt32
  public var port: lnd_port
  /// Maximum IP packet of the link, bytes; 0 if the host does not know it.
  public var mtu: UInt32
  /// `LND_OFFLOAD_*`.
  public var offloads: UInt32
  /// The guest's Ethernet address; zero if unknown.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8)
  /// The guest's name, or "".
  public var name: String
  /// A number of the guest's link that is the same after a restart of the process; 0: it has none.
  public var link: UInt64 = 0
  /// Number of the link's queues.
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

  /// - Parameter raw: missing members are zero (`Tables.read`).
  init(_ raw: lnd_port_info) {
    self.init(
      kind: raw.kind, port: raw.port, mtu: raw.mtu, offloads: raw.offloads, mac: raw.mac,
      name: text(raw.name))
    link = raw.link
    queues = max(1, raw.queues)
  }
}

/// An instance of a network plugin, which is one network; to be subclassed.
///
/// Ports and their traffic end before `stop`. The instance is released after `destroy`, so that `deinit` can free the rest.
open class NetworkPlugin {
  /// The host; valid until `deinit` has returned.
  public final let host: HostContext

  /// Creates an instance. Must not use the network or the file system yet.
  public required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    self.host = host
  }

  /// Opens what the network needs. Ports come up after it.
  open func start() throws(PluginFailure) {}

  /// For a start that takes time: completes `op` with `host.complete`, now or later, within LND_START_MS. By default calls
  /// `start()`.
  open func start(_ op: lnd_op) throws(PluginFailure) {
    try start()
    host.complete(op)
  }

  /// Ends all work and completes `op` when done; all ports are down already.
  open func stop(_ op: lnd_op) { host.complete(op) }

  /// A port is up. A failure disconnects the guest.
  open func portUp(_ info: PortInfo) throws(PluginFailure) {}

  /// A port was removed. An unknown port is no error.
  open func portDown(_ port: lnd_port) {}

  /// The properties passed to `portUp` have changed.
  open func portChanged(_ info: PortInfo) {}

  /// Frames from a port, 1..256 at a time, each of at least 14 bytes.
  open func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {}

  /// The port takes frames again, after a `send` that took fewer than it was given.
  open func txReady(_ port: lnd_port) {}

  /// Watched descriptors are ready: all of one loop iteration, at most 256.
  open func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {}

  /// A timer fired; its handle is no longer valid.
  open func onTimer(_ timer: lnd_handle, user: UInt64) {}

  /// `wake` was called.
  open func onWake() {}

  /// An operation requested of the host is complete.
  open func onOpDone(_ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer) {}

  /// `LND_EVENT_*`: a change on the host that may concern the plugin.
  open func onEvent(_ event: UInt32) {}

  /// The options changed. LND_ERR_UNSUPPORTED, the default: they take effect at the network's next start.
  open func reconfigure(_ config: NetworkConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_UNSUPPORTED, "these options hold from the next start on")
  }

  /// Writes one JSON object with counters and state for users.
  open func status(_ sink: lnd_sink) { host.write(sink, "{}") }

  /// The class to instantiate for a configuration, if options select among several.
  open class func implementation(_ config: NetworkConfig) -> NetworkPlugin.Type { self }

  /// Checks rules between options that the schema cannot express.
  open class func validate(host: HostContext, config: NetworkConfig) throws(PluginFailure) {}
}

// SPDX-License-Identifier: Apache-2.0
//
// The base class of DNS plugins written in Swift; NetworkPlugin.swift explains why it is a class. All methods are called on
// the network's loop thread.

import PluginAPI

/// The configuration of a DNS plugin's instance.
public struct DNSConfig: Sendable {
  /// Name of the network.
  public var network: String
  /// A name that is unique within the network.
  public var instance: String
  /// Validated by the schema, with defaults filled in.
  public var options: Options
  /// A directory for files that outlive the process; "": there is none.
  public var stateDirectory: String

  public init(
    network: String, options: Options, instance: String = "", stateDirectory: String = ""
  ) {
    self.network = network
    self.options = options
    self.instance = instance
    self.stateDirectory = stateDirectory
  }
}

/// A question. The message is borrowed for the call.
public struct DNSQuery {
  /// `LND_DNS_UDP` or `LND_DNS_TCP`, for information.
  public var transport: UInt32
  /// The whole message, 12..65535 bytes, exactly one question.
  public var message: UnsafeRawBufferPointer
  /// Nanoseconds of `host.now`: a later answer has no effect.
  public var deadline: UInt64
  /// The port of the guest that asks; 0: no guest, or unknown.
  public var port: lnd_port = 0
  /// The Ethernet address of the station that asks; zero: unknown.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0, 0)
  /// The guest's name, or "".
  public var name = ""
  /// The question's source and destination; `isNone`: unknown.
  public var client = Endpoint()
  public var server = Endpoint()

  public init(transport: UInt32, message: UnsafeRawBufferPointer, deadline: UInt64) {
    self.transport = transport
    self.message = message
    self.deadline = deadline
  }

  /// - Parameter raw: missing members are zero (`Tables.read`).
  init?(_ raw: lnd_dns_query) {
    guard let message = raw.message else { return nil }
    self.init(
      transport: raw.transport,
      message: UnsafeRawBufferPointer(start: message, count: Int(raw.length)),
      deadline: raw.deadline_ns)
    port = raw.port
    mac = raw.mac
    name = text(raw.name)
    client = Endpoint(raw.client)
    server = Endpoint(raw.server)
  }

  /// Calls `body` with the question as a C struct, which is valid during the call.
  func withRaw<Result>(_ body: (UnsafePointer<lnd_dns_query>) -> Result) -> Result {
    name.withCString { name in
      var query = lnd_dns_query()
      query.size = UInt32(MemoryLayout<lnd_dns_query>.size)
      query.transport = transport
      query.message = message.baseAddress?.assumingMemoryBound(to: UInt8.self)
      query.length = UInt32(clamping: message.count)
      query.deadline_ns = deadline
      query.port = port
      query.mac = mac
      query.name = name
      query.client = client.raw
      query.server = server.raw
      return body(&query)
    }
  }
}

/// An instance of a DNS plugin, to be subclassed. Neither `init` nor `start` may fail because the host is offline.
open class DNSPlugin {
  /// The host; valid until `deinit` has returned.
  public final let host: HostContext

  /// Creates an instance. Must not use the network or the file system yet.
  public required init(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    self.host = host
  }

  /// Opens what the instance needs.
  open func start() throws(PluginFailure) {}

  /// For a start that takes time: completes `op` with `host.complete`, now or later. By default calls `start()`.
  open func start(_ op: lnd_op) throws(PluginFailure) {
    try start()
    host.complete(op)
  }

  /// Ends all work and completes `op` when done.
  open func stop(_ op: lnd_op) { host.complete(op) }

  /// Answers a question: `host.complete(op, LND_OK, message)`, now or later, exactly once. A failure becomes SERVFAIL.
  open func resolve(_ op: lnd_op, _ query: DNSQuery) {
    host.complete(op, LND_ERR_UNSUPPORTED)
  }

  /// The answer is no longer needed.
  open func cancel(_ op: lnd_op) {}

  /// Watched descriptors are ready: all of one loop iteration, at most 256.
  open func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {}

  /// A timer fired; its handle is no longer valid.
  open func onTimer(_ timer: lnd_handle, user: UInt64) {}

  /// `wake` was called.
  open func onWake() {}

  /// An operation requested of the host is complete.
  open func onOpDone(_ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer) {}

  /// The options changed. LND_ERR_UNSUPPORTED, the default: they take effect at the next start.
  open func reconfigure(_ config: DNSConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_UNSUPPORTED, "these options hold from the next start on")
  }

  /// `LND_EVENT_*`: a change on the host that may concern the plugin.
  open func onEvent(_ event: UInt32) {}

  /// Writes one JSON object with counters and state for users.
  open func status(_ sink: lnd_sink) { host.write(sink, "{}") }

  /// Checks rules between options that the schema cannot express.
  open class func validate(host: HostContext, config: DNSConfig) throws(PluginFailure) {}
}

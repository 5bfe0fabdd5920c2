// SPDX-License-Identifier: Apache-2.0
//
// The base of every DNS plugin written in Swift; see NetworkPlugin.swift for
// why it is a class. Every method is called on the network's loop thread.

import PluginAPI

/// For which network a DNS plugin answers.
public struct DNSConfig: Sendable {
  /// Name of the network.
  public var network: String
  /// A name that no other instance of the network has.
  public var instance: String
  /// Checked against the schema, defaults filled in.
  public var options: Options
  /// A folder where the plugin may keep what shall outlive its process; "": there is none.
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

/// A question; the message is borrowed for the call.
public struct DNSQuery {
  /// `LND_DNS_UDP` or `LND_DNS_TCP`, for information.
  public var transport: UInt32
  /// The whole message, 12..65535 bytes, exactly one question.
  public var message: UnsafeRawBufferPointer
  /// Nanoseconds of `host.now`: later answers are of no use.
  public var deadline: UInt64
  /// Of the guest that asks; 0: no guest, or not known.
  public var port: lnd_port = 0
  /// Of the station that asks; zero: not known.
  public var mac: (UInt8, UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0, 0)
  /// The guest's, or "".
  public var name = ""
  /// Whence the question came, and where it was sent; `isNone`: not known.
  public var client = Endpoint()
  public var server = Endpoint()

  public init(transport: UInt32, message: UnsafeRawBufferPointer, deadline: UInt64) {
    self.transport = transport
    self.message = message
    self.deadline = deadline
  }

  /// - Parameter raw: zero-filled (`Tables.read`).
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

  /// The same question as C has it; valid inside of `body`.
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

/// An instance of a DNS plugin. Subclass it. Neither `init` nor `start` may
/// fail because the machine is offline.
open class DNSPlugin {
  /// The host; valid until `deinit` has returned.
  public final let host: HostContext

  /// Makes an instance. Must not touch the network or the file system yet.
  public required init(host: HostContext, config: DNSConfig) throws(PluginFailure) {
    self.host = host
  }

  /// Opens what it needs.
  open func start() throws(PluginFailure) {}

  /// For what takes longer: completes `op` with `host.complete` when it is done, now or later. `start()` by itself.
  open func start(_ op: lnd_op) throws(PluginFailure) {
    try start()
    host.complete(op)
  }

  /// Winds down and completes `op` when quiet.
  open func stop(_ op: lnd_op) { host.complete(op) }

  /// Turns a question into an answer: `host.complete(op, LND_OK, message)`,
  /// now or later, once. A failure becomes SERVFAIL.
  open func resolve(_ op: lnd_op, _ query: DNSQuery) {
    host.complete(op, LND_ERR_UNSUPPORTED)
  }

  /// The answer is not wanted any more.
  open func cancel(_ op: lnd_op) {}

  /// Watched fds are ready: all of one turn of the loop, at most 256.
  open func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {}

  /// A timer fired; its handle is spent.
  open func onTimer(_ timer: lnd_handle, user: UInt64) {}

  /// `wake` was called.
  open func onWake() {}

  /// An operation asked of the host is complete.
  open func onOpDone(_ op: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer) {}

  /// Other options while it runs. LND_ERR_UNSUPPORTED, as by itself: only from its next start on.
  open func reconfigure(_ config: DNSConfig) throws(PluginFailure) {
    throw PluginFailure(LND_ERR_UNSUPPORTED, "these options hold from the next start on")
  }

  /// `LND_EVENT_*`: something the plugin may care for changed.
  open func onEvent(_ event: UInt32) {}

  /// Writes one JSON object: counters and state worth showing.
  open func status(_ sink: lnd_sink) { host.write(sink, "{}") }

  /// Checks rules between options that the schema cannot say.
  open class func validate(host: HostContext, config: DNSConfig) throws(PluginFailure) {}
}

// SPDX-License-Identifier: Apache-2.0
//
// The base of every DNS plugin written in Swift; see NetworkPlugin.swift for
// why it is a class. Every method is called on the network's loop thread.

import PluginAPI

/// For which network a DNS plugin answers.
public struct DNSConfig: Sendable {
  /// Name of the network.
  public var network: String
  /// Checked against the schema, defaults filled in.
  public var options: Options

  public init(network: String, options: Options) {
    self.network = network
    self.options = options
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

  public init(transport: UInt32, message: UnsafeRawBufferPointer, deadline: UInt64) {
    self.transport = transport
    self.message = message
    self.deadline = deadline
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

  /// `LND_DNS_EVENT_*`: something the plugin may care for changed.
  open func onEvent(_ event: UInt32) {}

  /// Writes one JSON object: counters and state worth showing.
  open func status(_ sink: lnd_sink) { host.write(sink, "{}") }

  /// Checks rules between options that the schema cannot say.
  open class func validate(host: HostContext, config: DNSConfig) throws(PluginFailure) {}
}

// SPDX-License-Identifier: Apache-2.0
//
// DNSPlugin: the instance of the DNS plugin. Has a bridge, and so an lnd_host
// table, of its own. Thread: loop only.

import HostProtocol
import Platform
import PluginAPI

protocol DNSPluginOwner: AnyObject {
  func dnsOperationDone(_ operation: Operation, _ result: Result<[UInt8], HostError>)
  /// limanetd.dns-cache/1.
  func dnsFlush()
}

final class DNSPlugin: PluginRole {
  let bridge: PluginBridge
  let plugin: LoadedPlugin
  weak var owner: (any DNSPluginOwner)?
  private let ops: lnd_dns_ops
  /// The questions that are with it.
  private var asked: [DNSLookupID: Question] = [:]

  /// A question as it was asked: another plugin may have to answer it.
  struct Question {
    let lookup: DNSLookupID
    fileprivate let operation: lnd_op
    let message: [UInt8]
    let transport: DNSTransport
    let deadline: UInt64
  }

  init(_ plugin: LoadedPlugin, _ ops: lnd_dns_ops, log: HostLog, reactor: Reactor) {
    self.plugin = plugin
    self.ops = ops
    bridge = PluginBridge(name: plugin.descriptor.name, kind: "dns", log: log, reactor: reactor)
    bridge.callbacks = CommonCallbacks(
      onFDs: ops.on_fds, onTimer: ops.on_timer, onWake: ops.on_wake, status: ops.status,
      start: ops.start, stop: ops.stop, destroy: ops.destroy)
    bridge.role = self
    _ = Unmanaged.passRetained(self)
  }

  /// It answers localhost, .onion and their like itself, by the host's hosts file first, and asks nobody for them
  /// (DNSBroker+Special.swift). That of this project does; the ABI has no word for it.
  var knowsSpecialNames: Bool { plugin.module.id == "io.lima-vm.netd.hostdns" }

  /// validate, create, start.
  func start(network: String, options: String) throws(HostError) {
    let created: Result<Void, HostError> = network.withCString { network in
      options.withCString { text in
        var config = lnd_dns_config(
          size: UInt32(MemoryLayout<lnd_dns_config>.stride), reserved: 0, network: network,
          options: text, options_length: UInt64(options.utf8.count))
        return Result { () throws(HostError) in
          if let validate = ops.validate {
            try bridge.attempt("validate") {
              validate(plugin.descriptor.original, bridge.table, &config)
            }
          }
          try bridge.create { ops.create?(plugin.descriptor.original, bridge.table, &config) }
        }
      }
    }
    try created.get()
    try bridge.start()
  }

  /// Asks; ends as `Operation.question(lookup)`, perhaps before this returns.
  func resolve(
    _ lookup: DNSLookupID, _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64
  ) {
    let operation = bridge.operations.begin(.question(lookup))
    asked[lookup] = Question(
      lookup: lookup, operation: operation, message: message, transport: transport,
      deadline: deadline)
    message.withUnsafeBufferPointer { buffer in
      var query = lnd_dns_query(
        size: UInt32(MemoryLayout<lnd_dns_query>.stride), transport: transport.rawValue,
        message: buffer.baseAddress, length: UInt32(clamping: buffer.count), reserved: 0,
        deadline_ns: deadline)
      bridge.call("resolve") { ops.resolve?(bridge.instance, operation, &query) }
    }
  }

  /// Nobody waits for the answer any more.
  func cancel(_ lookup: DNSLookupID) {
    guard let question = asked.removeValue(forKey: lookup),
      bridge.operations.end(question.operation) != nil, let cancel = ops.cancel
    else { return }
    bridge.call("cancel") { cancel(bridge.instance, question.operation) }
  }

  /// Takes back what it has not answered, the most urgent first.
  func surrender() -> [Question] {
    let questions = asked.values.sorted {
      ($0.deadline, $0.operation) < ($1.deadline, $1.operation)
    }
    for question in questions { cancel(question.lookup) }
    return questions
  }

  func networkChanged() {
    guard let event = ops.on_event, bridge.instance != nil else { return }
    bridge.call("on_event") { event(bridge.instance, LND_DNS_EVENT_NETWORK_CHANGED) }
  }

  /// For limanetd.dns-cache/1: whose answers are not asked for any more, or not yet, keeps nothing.
  func flushCache() { owner?.dnsFlush() }

  // MARK: PluginRole

  func operationDone(
    _ operation: Operation, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    if case .question(let lookup) = operation { asked[lookup] = nil }
    owner?.dnsOperationDone(operation, bridge.outcome(status, bytes))
  }

  func hostExtension(_ id: String) -> UnsafeRawPointer? {
    id == LND_EXT_DNS_CACHE ? HostExtensions.dnsCache : nil
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// DNSPlugin: an instance of a DNS plugin, with its own bridge and lnd_host table. Several form a chain (DNSPlugin+Next).
// Thread: loop only.

import DNSMessage
import HostProtocol
import Platform
import PluginAPI

protocol DNSPluginOwner: AnyObject {
  /// - Parameter isPrivate: the answer is valid for the questioner only.
  func dnsOperationDone(
    _ operation: Operation, _ result: Result<[UInt8], HostError>, isPrivate: Bool)
  /// limanetd.dns-cache/1.
  func dnsFlush()
}

final class DNSPlugin: PluginRole {
  let bridge: PluginBridge
  let plugin: LoadedPlugin
  weak var owner: (any DNSPluginOwner)?
  let ops: lnd_dns_ops
  /// The next in the chain, which it may ask (limanetd.dns-next/1), and the one before it.
  private(set) var next: DNSPlugin?
  private(set) weak var front: DNSPlugin?
  /// Questions in progress.
  private var asked: [DNSLookupID: Question] = [:]
  /// Questions whose answers are valid for the questioner only.
  private var privateOps: Set<lnd_op> = []
  /// Its questions to the next plugin.
  var relays = DNSRelays()

  /// A question as it was received, to be passed to another plugin if necessary.
  struct Question {
    let lookup: DNSLookupID
    fileprivate let operation: lnd_op
    let message: [UInt8]
    let transport: DNSTransport
    let deadline: UInt64
    let questioner: DNSQuestioner
  }

  /// - Parameter next: the next plugin in the chain.
  init(
    _ plugin: LoadedPlugin, _ ops: lnd_dns_ops, next: DNSPlugin? = nil, log: HostLog,
    reactor: Reactor
  ) {
    self.plugin = plugin
    self.ops = ops
    self.next = next
    bridge = PluginBridge(
      name: plugin.descriptor.name, kind: "dns", callbacks: ops.instance, log: log,
      reactor: reactor)
    bridge.role = self
    next?.front = self
    _ = Unmanaged.passRetained(self)
  }

  /// This plugin and all after it.
  var chain: [DNSPlugin] { [self] + (next?.chain ?? []) }

  /// Whether it answers localhost, .onion and the like itself, by the host's hosts file first, and sends no questions about
  /// them (DNSBroker+Special.swift). True for hostdns; the ABI has no means to declare it.
  var knowsSpecialNames: Bool { plugin.module.id == "io.lima-vm.netd.hostdns" }

  /// Passes a question; it ends as `Operation.question(lookup)`, possibly before this returns.
  func resolve(
    _ lookup: DNSLookupID, _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64,
    by questioner: DNSQuestioner
  ) {
    let operation = bridge.operations.begin(.question(lookup))
    asked[lookup] = Question(
      lookup: lookup, operation: operation, message: message, transport: transport,
      deadline: deadline, questioner: questioner)
    handOver(operation, message, transport, deadline: deadline, by: questioner)
  }

  /// Calls `resolve`.
  func handOver(
    _ operation: lnd_op, _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64,
    by questioner: DNSQuestioner
  ) {
    message.withUnsafeBufferPointer { buffer in
      questioner.name.withCString { name in
        var query = lnd_dns_query()
        query.size = UInt32(MemoryLayout<lnd_dns_query>.stride)
        query.transport = transport.rawValue
        query.message = buffer.baseAddress
        query.length = UInt32(clamping: buffer.count)
        query.deadline_ns = deadline
        query.port = questioner.port
        withUnsafeMutableBytes(of: &query.mac) { $0.copyBytes(from: MACText.bytes(questioner.mac)) }
        query.name = name
        query.client = questioner.client
        query.server = questioner.server
        bridge.call("resolve") { ops.resolve?(bridge.instance, operation, &query) }
      }
    }
  }

  /// The answer is no longer needed.
  func cancel(_ lookup: DNSLookupID) {
    guard let question = asked.removeValue(forKey: lookup) else { return }
    cancel(operation: question.operation)
  }

  func cancel(operation: lnd_op) {
    privateOps.remove(operation)
    guard bridge.operations.end(operation) != nil else { return }
    if let cancel = ops.cancel, bridge.instance != nil {
      bridge.call("cancel") { cancel(bridge.instance, operation) }
    }
    cancelRelays(for: operation)
  }

  /// Removes and returns the unanswered questions, the earliest deadline first.
  func surrender() -> [Question] {
    let questions = asked.values.sorted {
      ($0.deadline, $0.operation) < ($1.deadline, $1.operation)
    }
    for question in questions { cancel(question.lookup) }
    return questions
  }

  func networkChanged() {
    guard let event = bridge.callbacks.on_event, bridge.instance != nil, bridge.isStarted else {
      return
    }
    bridge.call("on_event") { event(bridge.instance, LND_EVENT_NETWORK_CHANGED) }
  }

  /// limanetd.dns-cache/1. Has no effect for a plugin that is not in use yet or any more.
  func flushCache() {
    if let front { return front.flushCache() }
    owner?.dnsFlush()
  }

  /// limanetd.dns-cache/1 `keep_private`.
  func keepPrivate(_ operation: lnd_op) -> lnd_status {
    switch bridge.operations[operation] {
    case .question: break
    case .relayed(let relay): front?.relayIsPrivate(relay)
    default:
      bridge.noteStale()
      return LND_ERR_NOT_FOUND
    }
    privateOps.insert(operation)
    return LND_OK
  }

  // MARK: PluginRole

  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    let isPrivate = !privateOps.isEmpty && privateOps.remove(handle) != nil
    let result = bridge.outcome(status, bytes)
    switch operation {
    case .relayed(let relay):
      front?.relayDone(relay, status, result)
      return
    case .question(let lookup):
      asked[lookup] = nil
      cancelRelays(for: handle)
    default: break
    }
    owner?.dnsOperationDone(operation, result, isPrivate: isPrivate)
  }

  func hostExtension(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case LND_EXT_DNS_CACHE: HostExtensions.dnsCache
    case LND_EXT_DNS_NEXT where next != nil: HostExtensions.dnsNext
    default: nil
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// limanetd.dns-next/1: a DNS plugin passes questions to the one after it in the chain. The question is passed inside of the
// call; its answer is delivered at the end of the iteration, so that no plugin is called from inside of its own call.
// Thread: loop only.

import DNSMessage
import HostProtocol
import Platform
import PluginAPI

/// Questions of one plugin to the next.
struct DNSRelays {
  struct Relay {
    /// The plugin's question that this one is for; 0: none was given.
    var purpose: lnd_op
    /// The operation of the next plugin.
    var operation: lnd_op
    var deadline: UInt64
    var askedID: UInt16
    var question: DNSQuestion
  }

  /// Maximum number of questions of one plugin at the next one.
  static let limit = 4096

  var open: [lnd_op: Relay] = [:]
  /// Answers not delivered yet.
  var done: [(op: lnd_op, status: lnd_status, bytes: [UInt8])] = []
  private var last: UInt64 = 1 << 32

  var isFull: Bool { open.count + done.count >= Self.limit }

  /// Time of the next work, nanoseconds.
  func due(_ now: UInt64) -> UInt64 {
    done.isEmpty ? open.values.map(\.deadline).min() ?? .max : now
  }

  /// Handles are never reused.
  mutating func newHandle() -> lnd_op {
    last &+= 1
    return last
  }
}

extension DNSPlugin {
  /// 0 if there is no next plugin, the limit is reached, or the bytes are no question.
  func askNext(
    for purpose: lnd_op, _ message: [UInt8], _ transport: DNSTransport, deadline: UInt64,
    by questioner: DNSQuestioner
  ) -> lnd_op {
    guard let next, next.bridge.isStarted, next.bridge.instance != nil, !relays.isFull,
      case .admitted(let query, _) = DNSAdmission(message, over: .tcp)
    else { return 0 }
    let latest = MonotonicClock.now() &+ 5_000_000_000
    let deadline = deadline == 0 ? latest : min(deadline, latest)
    let handle = relays.newHandle()
    let operation = next.bridge.operations.begin(.relayed(handle))
    relays.open[handle] = DNSRelays.Relay(
      purpose: purpose, operation: operation, deadline: deadline,
      askedID: UInt16(message[0]) << 8 | UInt16(message[1]), question: query.question)
    next.handOver(operation, message, transport, deadline: deadline, by: questioner)
    return handle
  }

  func cancelNext(_ handle: lnd_op) {
    if let relay = relays.open.removeValue(forKey: handle) {
      next?.cancel(operation: relay.operation)
    } else if let index = relays.done.firstIndex(where: { $0.op == handle }) {
      relays.done.remove(at: index)
    } else {
      bridge.noteStale()
    }
  }

  /// The question `purpose` has ended: cancels those asked for it.
  func cancelRelays(for purpose: lnd_op) {
    guard !relays.open.isEmpty, purpose != 0 else { return }
    for (handle, relay) in relays.open where relay.purpose == purpose {
      relays.open[handle] = nil
      next?.cancel(operation: relay.operation)
    }
  }

  func relayIsPrivate(_ handle: lnd_op) {
    guard let relay = relays.open[handle], relay.purpose != 0 else { return }
    _ = keepPrivate(relay.purpose)
  }

  /// The next plugin has answered.
  func relayDone(_ handle: lnd_op, _ status: lnd_status, _ result: Result<[UInt8], HostError>) {
    guard let relay = relays.open.removeValue(forKey: handle) else { return }
    switch result {
    case .failure(let error):
      relays.done.append((handle, status, Array(error.message.utf8)))
    case .success(let bytes):
      if (try? DNSAnswer(checking: bytes, askedID: relay.askedID, relay.question)) != nil {
        relays.done.append((handle, LND_OK, bytes))
      } else {
        let reason = "what the next plugin said is no answer to the question"
        relays.done.append((handle, LND_ERR_INTERNAL, Array(reason.utf8)))
      }
    }
  }

  /// At the end of an iteration: delivers answers, and cancels questions past their deadline.
  func workRelays(_ now: UInt64) {
    if !relays.open.isEmpty {
      for (handle, relay) in relays.open where relay.deadline <= now {
        relays.open[handle] = nil
        next?.cancel(operation: relay.operation)
        relays.done.append((handle, LND_ERR_TIMEOUT, Array("no answer in time".utf8)))
      }
    }
    let done = relays.done
    relays.done.removeAll(keepingCapacity: true)
    for answer in done {
      guard let on = bridge.callbacks.on_op_done, bridge.instance != nil else { break }
      answer.bytes.withUnsafeBufferPointer { buffer in
        bridge.call("on_op_done") {
          on(bridge.instance, answer.op, answer.status, buffer.baseAddress, UInt64(buffer.count))
        }
      }
    }
  }
}

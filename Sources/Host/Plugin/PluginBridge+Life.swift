// SPDX-License-Identifier: Apache-2.0
//
// The life cycle common to both kinds of plugins: create, start, stop, destroy.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

extension PluginBridge {
  /// Stores the instance that `body` returns.
  func create(_ body: () -> UnsafeMutableRawPointer?) throws(HostError) {
    try attempt("create") {
      instance = body()
      return instance == nil ? LND_ERR_INTERNAL : LND_OK
    }
    reactor.add(self)
  }

  /// Calls `start`; `startOutcome` has the result now or in a later iteration.
  func beginStart() {
    mayWatch = true
    let operation = operations.begin(.start)
    failure = nil
    let status = call("start") { callbacks.start?(instance, operation) ?? LND_ERR_INTERNAL }
    guard status != LND_OK else { return }
    _ = operations.end(operation)
    startOutcome = .failure(takeFailure(status, "start"))
  }

  /// An operation of the host has ended.
  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    guard case .start = operation else {
      role?.operationDone(operation, handle, status, bytes)
      return
    }
    switch outcome(status, bytes) {
    case .success: startOutcome = .success(())
    // The reason passed to `fail` is more precise: it names the option.
    case .failure(let error): startOutcome = .failure(failure ?? error)
    }
    failure = nil
  }

  /// The result of `beginStart`, once. After a failure the instance is destroyed.
  func takeStart() -> Result<Void, HostError>? {
    guard let outcome = startOutcome else { return nil }
    startOutcome = nil
    if case .success = outcome { isStarted = true } else { destroy() }
    return outcome
  }

  /// Ends a start that takes too long. The instance is destroyed.
  func abandonStart() -> HostError {
    let error = HostError(
      .timeout, "start was not completed within \(LND_START_MS / 1000) s", plugin: name)
    operations.endAll()
    destroy()
    return error
  }

  /// Calls `stop`, which ends as `Operation.stop`. Only after a start.
  func stop() {
    guard instance != nil, isStarted else { return }
    let operation = operations.begin(.stop)
    call("stop") { callbacks.stop?(instance, operation) }
  }

  /// Frees the instance; no events are delivered afterwards. Idempotent.
  func destroy() {
    guard let doomed = instance else { return }
    closed.store(true, ordering: .releasing)
    reactor.remove(self)
    instance = nil
    call("destroy") { callbacks.destroy?(doomed) }
  }

  /// The object written by `status`; nil if the plugin has none.
  func status() -> JSONValue? {
    guard let status = callbacks.status, let instance else { return nil }
    let bytes = collect("status") { status(instance, $0) }
    guard bytes.count <= Self.statusLimit, !sinkOverflowed else {
      return noStatus("status wrote more than \(Self.statusLimit >> 10) KiB")
    }
    guard let value = try? JSONValue(parsing: bytes), case .object = value else {
      return noStatus("status wrote what is no JSON object")
    }
    return log.secrets.masked(value)
  }

  /// Maximum bytes of a status, which the supervisor includes in answers about each network.
  private static let statusLimit = Int(LND_MAX_STATUS)

  /// A status that explains why there are no counters.
  private func noStatus(_ reason: String) -> JSONValue {
    if statusLog.admit(MonotonicClock.now()) != nil { log.warning(component, reason) }
    return .object(["error": .string(reason)])
  }

  /// The result of an operation: its bytes, or a failure with the bytes as its reason.
  func outcome(_ status: lnd_status, _ bytes: UnsafeRawBufferPointer) -> Result<[UInt8], HostError>
  {
    guard status != LND_OK else { return .success(Array(bytes)) }
    let code = HostError.Code(status)
    let text = log.secrets.masked(
      reasonText(bytes.baseAddress?.assumingMemoryBound(to: CChar.self), UInt64(bytes.count)))
    let reason = text.isEmpty ? "the plugin failed with \(code.rawValue)" : text
    return .failure(HostError(code, reason, plugin: name))
  }
}

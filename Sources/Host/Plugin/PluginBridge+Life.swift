// SPDX-License-Identifier: Apache-2.0
//
// What both kinds of plugins go through: create, start, stop, destroy.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

extension PluginBridge {
  /// Keeps the instance that `body` returns.
  func create(_ body: () -> UnsafeMutableRawPointer?) throws(HostError) {
    try attempt("create") {
      instance = body()
      return instance == nil ? LND_ERR_INTERNAL : LND_OK
    }
    reactor.add(self)
  }

  /// Begins to start; `startOutcome` says, now or in a later turn of the loop, what came of it.
  func beginStart() {
    mayWatch = true
    let operation = operations.begin(.start)
    failure = nil
    let status = call("start") { callbacks.start?(instance, operation) ?? LND_ERR_INTERNAL }
    guard status != LND_OK else { return }
    _ = operations.end(operation)
    startOutcome = .failure(takeFailure(status, "start"))
  }

  /// An operation of the host's has ended.
  func operationDone(
    _ operation: Operation, _ handle: lnd_op, _ status: lnd_status, _ bytes: UnsafeRawBufferPointer
  ) {
    guard case .start = operation else {
      role?.operationDone(operation, handle, status, bytes)
      return
    }
    switch outcome(status, bytes) {
    case .success: startOutcome = .success(())
    // What `fail` said names the option, too.
    case .failure(let error): startOutcome = .failure(failure ?? error)
    }
    failure = nil
  }

  /// What came of `beginStart`, once. After a failure the instance is destroyed.
  func takeStart() -> Result<Void, HostError>? {
    guard let outcome = startOutcome else { return nil }
    startOutcome = nil
    if case .success = outcome { isStarted = true } else { destroy() }
    return outcome
  }

  /// Gives up on a start that takes too long. The instance is destroyed.
  func abandonStart() -> HostError {
    let error = HostError(
      .timeout, "start was not completed within \(LND_START_MS / 1000) s", plugin: name)
    operations.endAll()
    destroy()
    return error
  }

  /// Asks to wind down; ends as `Operation.stop`. Only what has started.
  func stop() {
    guard instance != nil, isStarted else { return }
    let operation = operations.begin(.stop)
    call("stop") { callbacks.stop?(instance, operation) }
  }

  /// Frees the instance; nothing is delivered any more. Idempotent.
  func destroy() {
    guard let doomed = instance else { return }
    closed.store(true, ordering: .releasing)
    reactor.remove(self)
    instance = nil
    call("destroy") { callbacks.destroy?(doomed) }
  }

  /// The object of `status`; nil: the plugin has none.
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

  /// Bytes of one status, which answers of the supervisor's carry for each network.
  private static let statusLimit = Int(LND_MAX_STATUS)

  /// In the place of counters: whoever looks for them sees why they are not there.
  private func noStatus(_ reason: String) -> JSONValue {
    if statusLog.admit(MonotonicClock.now()) != nil { log.warning(component, reason) }
    return .object(["error": .string(reason)])
  }

  /// An operation's result: its bytes, or the reason of the failure as text.
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

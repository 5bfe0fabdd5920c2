// SPDX-License-Identifier: Apache-2.0
//
// Tests of group lifecycle: from create to destroy.

import LibC
import HostProtocol
import Platform
import PluginAPI

enum LifecycleChecks {
  static func run(_ id: String, _ subject: CheckSubject) throws(Judgement) {
    let trial = Trial(subject)
    switch id {
    case "lifecycle-create": try create(trial)
    case "lifecycle-create-pure":
      let before = OwnProcess.descriptors
      try trial.create()
      let more = OwnProcess.descriptors - before
      if more > 0 { throw .failed("create opened \(Plural.text(more, "descriptor"))") }
    case "lifecycle-validate": try validate(trial)
    case "lifecycle-destroy":
      try trial.create()
      trial.destroy()
    case "lifecycle-start":
      try trial.create()
      try trial.start()
    case "lifecycle-stop": try stop(trial)
    case "lifecycle-after-destroy": try afterDestroy(trial)
    default: try two(subject)
    }
  }

  /// Creates an instance. A refusal by rules that the schema does not express makes the test inapplicable.
  private static func create(_ trial: Trial) throws(Judgement) {
    if try trial.makesInstance() { return }
    guard let reason = trial.host.failure else {
      throw .failed("create returned NULL without a reason (host->fail)")
    }
    guard trial.host.failureCode == LND_ERR_INVALID_CONFIG else {
      throw .failed("create returned NULL: \(reason)")
    }
    throw .skipped("give it --options that fit: \(reason)")
  }

  private static func validate(_ trial: Trial) throws(Judgement) {
    guard let status = try trial.validate() else { return }
    let reason = trial.host.failure
    let makes = try trial.makesInstance()
    guard (status == LND_OK) == makes else {
      throw .failed(
        makes
          ? "create accepts what validate refuses (\(status): \(reason ?? "no reason"))"
          : "create refuses what validate accepts: \(trial.host.failure ?? "no reason")")
    }
    if status != LND_OK, reason == nil {
      throw .failed("validate fails without a reason (host->fail)")
    }
    if makes, !trial.host.watches.isEmpty { throw .failed("something is watched before start") }
  }

  private static func stop(_ trial: Trial) throws(Judgement) {
    try trial.begin()
    trial.portDown(trial.port)
    guard trial.stop(milliseconds: 5000) else {
      throw .failed("5 s after stop its op had not been completed")
    }
    trial.turn(milliseconds: 50)
    if let text = trial.host.offence(.twiceDone) { throw .failed(text) }
    let failed = trial.host.completed.values.first { $0.status != LND_OK }
    if let failed {
      let text = String(decoding: failed.bytes, as: UTF8.self)
      throw .failed("stop was completed with \(failed.status): \(text)")
    }
  }

  private static func afterDestroy(_ trial: Trial) throws(Judgement) {
    try trial.begin()
    try trial.receive(CheckFrames.sensible)
    trial.turn(milliseconds: 50)
    trial.end()
    // Time for threads and timers to act.
    usleep(300_000)
    if let text = trial.host.offence(.afterDestroy) { throw .failed(text) }
  }

  private static func two(_ subject: CheckSubject) throws(Judgement) {
    let (first, second) = (Trial(subject), Trial(subject))
    try first.begin()
    do {
      try second.create()
    } catch {
      throw .failed("a second instance cannot be made: \(error.report.detail ?? "")")
    }
    let status = second.starts()
    // A resource that exists once, such as a port number of the host, may be in use by the first instance.
    guard status == LND_OK else {
      if status == LND_ERR_EXISTS || status == LND_ERR_BUSY { return }
      throw .failed("a second instance does not start: \(second.host.failure ?? "no reason")")
    }
    try second.portUp()
    try first.receive(CheckFrames.sensible)
    try second.receive(CheckFrames.sensible)
    let wrong = "a call for one instance reached the host of the other"
    for trial in [first, second] {
      if let text = trial.host.offence(.badFrame), text.after("not up") != nil {
        throw .failed(wrong)
      }
    }
    first.portDown(first.port)
    guard first.stop(milliseconds: 1000) else {
      let reached = second.host.offence(.stale) != nil
      throw .failed(reached ? wrong : "with a second instance, stop of the first is not completed")
    }
    first.destroy()
    try second.receive(CheckFrames.sensible)
    _ = second.status()
    second.end()
    if first.host.offence(.afterDestroy) != nil { throw .failed(wrong) }
  }
}

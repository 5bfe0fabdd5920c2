// SPDX-License-Identifier: Apache-2.0
//
// Tests of groups services, leaks, threads and misuse: handles, resources, threads, and hosts of other versions.

import LibC
import HostProtocol
import Platform
import PluginAPI

enum ServiceChecks {
  private static let cycles = 50

  static func run(_ id: String, _ subject: CheckSubject) throws(Judgement) {
    switch id {
    case "services-handles": try offence(.stale, subject)
    case "services-calls": try offence(.misuse, subject)
    case "services-closed-fd": try offence(.closedFD, subject)
    case "threads-loop": try offence(.otherThread, subject)
    case "services-spurious":
      let trial = Trial(subject)
      try trial.begin()
      trial.spuriousEvents()
      trial.end()
    case "services-no-extensions": try noExtensions(subject)
    case "leaks-fds":
      try leak(subject, "descriptor", allowed: 4) { OwnProcess.descriptors }
    case "leaks-threads":
      try leak(subject, "thread", allowed: 4) { OwnProcess.threads }
    case "leaks-memory":
      try leak(subject, "KiB", allowed: 1024) { OwnProcess.resident >> 10 }
    case "misuse-reserved":
      try varied(subject, Trial.Variation(isPoisoned: true), flags: 0xffff_0000)
    case "misuse-larger": try varied(subject, Trial.Variation(extra: 64))
    default: try varied(subject, Trial.Variation(isSmallest: true))
    }
  }

  /// Uses all functions of the plugin, with time for timers and threads.
  private static func use(_ trial: Trial) throws(Judgement) {
    try trial.begin()
    if trial.subject.isNetwork {
      try trial.receive(CheckFrames.sensible)
    } else {
      _ = try trial.ask(CheckQuestions.question("check.example", type: 1))
    }
    trial.turn(milliseconds: 150)
    _ = trial.status()
    trial.txReady()
    trial.turn(milliseconds: 50)
    trial.end()
  }

  private static func offence(_ kind: CheckHost.Offence, _ subject: CheckSubject) throws(Judgement)
  {
    let trial = Trial(subject)
    try use(trial)
    if let text = trial.host.offence(kind) { throw .failed(text) }
  }

  private static func noExtensions(_ subject: CheckSubject) throws(Judgement) {
    let trial = Trial(subject)
    trial.host.withoutExtensions = true
    guard try trial.makesInstance() else {
      if trial.host.failure == nil { throw .failed("create returned NULL without a reason") }
      return
    }
    guard trial.starts() == LND_OK else {
      if trial.host.failure == nil { throw .failed("start failed without a reason") }
      trial.destroy()
      return
    }
    try trial.portUp()
    if subject.isNetwork {
      try trial.receive(CheckFrames.sensible)
    } else {
      _ = try trial.ask(CheckQuestions.question("check.example", type: 1))
    }
    trial.turn(milliseconds: 20)
    trial.end()
  }

  private static func leak(
    _ subject: CheckSubject, _ what: String, allowed: Int, _ measure: () -> Int
  ) throws(Judgement) {
    var before = 0
    for cycle in 0..<cycles + 5 {
      // The first cycles fill caches.
      if cycle == 5 { before = measure() }
      let trial = Trial(subject)
      try trial.begin()
      if subject.isNetwork {
        try trial.receive(CheckFrames.sensible)
      } else {
        _ = try trial.ask(CheckQuestions.question("check.example", type: 1))
      }
      trial.end()
    }
    // Time for threads that were told to end.
    usleep(50_000)
    let more = measure() - before
    if more > allowed {
      throw .failed("after \(cycles) instances there are \(Plural.text(more, what)) more")
    }
  }

  private static func varied(
    _ subject: CheckSubject, _ variation: Trial.Variation, flags: UInt32 = 0
  ) throws(Judgement) {
    let trial = Trial(subject, variation)
    try trial.begin()
    if subject.isNetwork {
      try trial.receive(CheckFrames.sensible, flags: flags)
    } else {
      _ = try trial.ask(CheckQuestions.question("check.example", type: 1))
    }
    trial.turn(milliseconds: 20)
    trial.end()
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Tests of group dns: questions and answers.

import HostProtocol
import Platform
import PluginAPI

enum DNSChecks {
  static func run(_ id: String, _ subject: CheckSubject) throws(Judgement) {
    let trial = Trial(subject)
    try trial.begin()
    switch id {
    case "dns-once": try once(trial)
    case "dns-answer": try answer(trial)
    case "dns-many": try many(trial)
    case "dns-odd": try odd(trial)
    case "dns-cancel":
      let op = try trial.ask(question())
      trial.host.pending.remove(op)
      trial.cancel(op)
      trial.cancel(op)
      trial.cancel(0xdead_beef)
    case "dns-borrowed":
      for index in 0..<20 {
        _ = try trial.ask(question("name\(index).check.example"), takeAway: true)
      }
      trial.turn(milliseconds: 300)
    case "dns-stop":
      for index in 0..<20 { _ = try trial.ask(question("stop\(index).check.example")) }
      guard trial.stop(milliseconds: 5000) else {
        throw .failed("with questions under way, stop was not completed within 5 s")
      }
      return trial.destroy()
    default:
      trial.event(LND_EVENT_NETWORK_CHANGED)
      trial.event(0xdead_beef)
    }
    trial.turn(milliseconds: 20)
    trial.end()
  }

  private static func question(_ name: String = "check.example") -> [UInt8] {
    CheckQuestions.question(name, type: 1)
  }

  private static func once(_ trial: Trial) throws(Judgement) {
    let op = try trial.ask(question())
    trial.turn(milliseconds: 6000) { trial.host.completed[op] != nil }
    guard trial.host.completed[op] != nil else {
      throw .failed(
        "a question was not completed within 6 s; its deadline was 5 s after it was asked")
    }
    trial.turn(milliseconds: 50)
    if let text = trial.host.offence(.twiceDone) { throw .failed(text) }
  }

  private static func answer(_ trial: Trial) throws(Judgement) {
    let message = question("ChecK.example")
    let op = try trial.ask(message)
    trial.turn(milliseconds: 6000) { trial.host.completed[op] != nil }
    guard let done = trial.host.completed[op] else {
      throw .skipped("no answer came (see dns-once)")
    }
    // The plugin may report a failure; the host then answers the guest.
    guard done.status == LND_OK else { return }
    guard done.bytes.count >= 12 else {
      throw .failed(
        "the answer has \(Plural.text(Int(done.bytes.count), "byte")), less than a header")
    }
    if done.bytes[0] != message[0] || done.bytes[1] != message[1] {
      throw .failed("the answer has another id than the question")
    }
    if done.bytes[2] & 0x80 == 0 { throw .failed("the answer has QR clear: it is a question") }
    let asked = message[12...].map(lower)
    let count = Int(done.bytes[4]) << 8 | Int(done.bytes[5])
    guard count == 1, done.bytes.count >= message.count,
      done.bytes[12..<message.count].map(lower) == asked
    else { throw .failed("the answer does not repeat the question") }
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  private static func many(_ trial: Trial) throws(Judgement) {
    var ops: [lnd_op] = []
    for index in 0..<1000 { ops.append(try trial.ask(question("name\(index).check.example"))) }
    trial.turn(milliseconds: 6000) { trial.host.pending.isEmpty }
    let left = trial.host.pending.count
    // The host cancels operations at their deadline.
    for op in trial.host.pending {
      trial.host.pending.remove(op)
      trial.cancel(op)
    }
    if left > 0 {
      throw .failed("of 1000 questions \(left) were not completed by their deadline")
    }
  }

  private static func odd(_ trial: Trial) throws(Judgement) {
    var numbers = SeededNumbers(trial.subject.seed)
    for _ in 0..<500 {
      _ = try trial.ask(CheckQuestions.odd(&numbers))
      if trial.host.pending.count > 100 { trial.turn(milliseconds: 1) }
    }
    _ = try trial.ask(
      CheckQuestions.question("check.example", type: 1, padding: 60_000), transport: LND_DNS_TCP)
    trial.turn(milliseconds: 100)
    for op in trial.host.pending {
      trial.host.pending.remove(op)
      trial.cancel(op)
    }
  }
}

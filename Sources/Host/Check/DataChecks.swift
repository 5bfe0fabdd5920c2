// SPDX-License-Identifier: Apache-2.0
//
// Tests of group data: a network's frames and status.

import HostProtocol
import JSONCoding
import Platform
import PluginAPI

enum DataChecks {
  static func run(_ id: String, _ subject: CheckSubject) throws(Judgement) {
    let trial = Trial(subject)
    if id == "data-status" { return try status(trial) }
    try trial.begin()
    switch id {
    case "data-ports":
      let port = trial.port
      for port in [port, port, 0xdead_beef] { trial.portDown(port) }
    case "data-batches":
      for count in [1, 8, 256] {
        let frames = (0..<count).map { CheckFrames.sensible[$0 % CheckFrames.sensible.count] }
        try trial.receive(frames)
      }
    case "data-short":
      for type in [[8, 0], [8, 6], [0x86, 0xdd], [0x81, 0]] as [[UInt8]] {
        for count in 14...64 { try trial.receive([CheckFrames.filled(count, type: type)]) }
      }
    case "data-long":
      for count in [1514, 1518, 9014, 65535, Int(LND_FRAME_MAX)] {
        for type in [[8, 0], [8, 6], [0x86, 0xdd]] as [[UInt8]] {
          try trial.receive([CheckFrames.filled(count, type: type)])
        }
      }
    case "data-garbage":
      var numbers = SeededNumbers(subject.seed)
      for _ in 0..<3000 { try trial.receive([CheckFrames.garbage(&numbers)]) }
    case "data-borrowed":
      for frame in CheckFrames.sensible { try trial.receive([frame], takeAway: true) }
    case "data-read-only": try trial.receive(CheckFrames.sensible, readOnly: true)
    case "data-send-valid": try sendValid(trial)
    default: try backPressure(trial)
    }
    trial.turn(milliseconds: 20)
    trial.end()
  }

  private static func sendValid(_ trial: Trial) throws(Judgement) {
    for _ in 0..<3 { try trial.receive(CheckFrames.sensible) }
    trial.turn(milliseconds: 100)
    trial.portDown(trial.port)
    trial.turn(milliseconds: 100)
    if let text = trial.host.offence(.badFrame) { throw .failed(text) }
  }

  private static func backPressure(_ trial: Trial) throws(Judgement) {
    trial.host.isFull = true
    for _ in 0..<20 { try trial.receive(CheckFrames.sensible) }
    trial.host.isFull = false
    trial.txReady()
    if let text = trial.host.offence(.spinning) { throw .failed(text) }
  }

  private static func status(_ trial: Trial) throws(Judgement) {
    guard trial.hasStatus else { return }
    try trial.begin()
    if trial.subject.isNetwork { try trial.receive(CheckFrames.sensible) }
    let bytes = trial.status()
    guard bytes.count <= 64 << 10 else {
      throw .failed("status wrote \(Plural.text(bytes.count, "byte"))")
    }
    guard let value = try? JSONValue(parsing: String(decoding: bytes, as: UTF8.self)),
      case .object = value
    else {
      let start = String(decoding: bytes.prefix(60), as: UTF8.self)
      throw .failed(
        bytes.isEmpty ? "status wrote nothing" : "status wrote what is no JSON object: \(start)")
    }
    trial.end()
  }
}

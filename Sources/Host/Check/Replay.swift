// SPDX-License-Identifier: Apache-2.0
//
// `lima-netd-host replay FILE PCAP OUT ...`: passes a guest's frames from a file to an instance of a network plugin, one at
// a time without delays, and writes the frames it sends to another file, with the time of the frame before them.

import HostProtocol
import Platform
import PluginAPI

enum Replay {
  private static let maximumFile = 64 << 20

  static func run(
    _ subject: CheckSubject, input: String, output: String
  ) throws(Judgement) -> CheckReport {
    guard subject.isNetwork else { throw .failed("a DNS plugin has no frames: try dns serve") }
    let frames: [PcapFile.Frame]
    do {
      frames = try PcapFile.read(try Files.read(input, limit: maximumFile))
    } catch let problem as PcapFile.Problem {
      throw .failed("\(input): \(problem.text)")
    } catch {
      throw .failed("\(error)")
    }
    let trial = Trial(subject)
    try trial.begin()
    var sent: [PcapFile.Frame] = []
    var given = 0
    func collect(_ time: UInt64) {
      sent += trial.host.sent.map { PcapFile.Frame(time: time, bytes: $0) }
      trial.host.sent = []
    }
    for frame in frames where (14...Int(LND_FRAME_MAX)).contains(frame.bytes.count) {
      try trial.receive([frame.bytes])
      trial.turn(milliseconds: 1)
      given += 1
      collect(frame.time)
    }
    // Time for frames that follow a timer or an answer from the network.
    trial.turn(milliseconds: 500)
    collect(frames.last?.time ?? 0)
    let status = String(decoding: trial.status(), as: UTF8.self)
    trial.end()
    do throws(SystemError) {
      try Files.write(PcapFile.write(sent), to: output, mode: 0o644, followLinks: true)
    } catch {
      throw .failed(error.description)
    }
    let left = frames.count - given
    var text = "\(Plural.text(given, "frame")) in, \(sent.count) out"
    if left > 0 { text += "; \(left) of no possible size left out" }
    if !status.isEmpty { text += "; status \(status)" }
    return CheckReport(.pass, text)
  }
}

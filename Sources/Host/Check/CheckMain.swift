// SPDX-License-Identifier: Apache-2.0
//
// `lima-netd-host check FILE ID ...`: one test of a plugin file, in a process of its own because it may crash. The result
// goes to standard output (PluginCheck.swift); the plugin's output goes to standard error.

import LibC
import HostProtocol
import JSONCoding
import Platform
import PluginAPI

enum CheckMain {
  // Set once before the plugin is loaded and only read afterwards.
  private nonisolated(unsafe) static var output: Int32 = 1
  // As above.
  private nonisolated(unsafe) static var process: pid_t = 0
  // Written by the thread that runs the test only.
  private nonisolated(unsafe) static var reached = ""
  // As above. The reader of the output keeps the first 256 KiB.
  private nonisolated(unsafe) static var stages = 0

  /// Runs one test.
  /// - Parameter arguments: FILE ID [--plugin NAME] [--kind KIND] [--options JSON] [--seed N].
  /// - Returns: only if the arguments are invalid.
  static func run(_ arguments: [String]) {
    guard arguments.count >= 2, arguments.count % 2 == 0,
      let test = PluginCheck.all.first(where: { $0.id == arguments[1] })
    else { return }
    let values = begin(arguments.dropFirst(2))
    let file = FileUnderTest(path: arguments[0])
    do throws(Judgement) {
      if test.isOfFile {
        try FileChecks.run(test.id, file)
      } else {
        let subject = try subject(file, values)
        try run(test, subject)
      }
      finish(CheckReport(.pass))
    } catch {
      finish(error.report)
    }
  }

  /// `lima-netd-host replay FILE PCAP OUT ...`, with the same options.
  /// - Returns: only if the arguments are invalid.
  static func replay(_ arguments: [String]) {
    guard arguments.count >= 3, arguments.count % 2 == 1 else { return }
    let values = begin(arguments.dropFirst(3))
    do throws(Judgement) {
      let subject = try subject(FileUnderTest(path: arguments[0]), values)
      finish(try Replay.run(subject, input: arguments[1], output: arguments[2]))
    } catch {
      finish(error.report)
    }
  }

  /// Redirects standard output, so that the plugin's output is not taken for a result.
  /// - Returns: the options by name.
  private static func begin(_ words: ArraySlice<String>) -> [String: String] {
    output = fcntl(1, F_DUPFD_CLOEXEC, 10)
    dup2(2, 1)
    process = getpid()
    let words = Array(words)
    var values: [String: String] = [:]
    for at in stride(from: 0, to: words.count - 1, by: 2) { values[words[at]] = words[at + 1] }
    return values
  }

  private static func subject(
    _ file: FileUnderTest, _ values: [String: String]
  ) throws(Judgement) -> CheckSubject {
    let plugin = try file.load().plugins.first {
      $0.name == values["--plugin"] && $0.kind == values["--kind"]
    }
    guard let plugin else { throw .skipped("there is no such plugin in the file") }
    return CheckSubject(
      descriptor: plugin, options: values["--options"] ?? "{}",
      seed: UInt64(values["--seed"] ?? "") ?? 1)
  }

  private static func run(_ test: PluginCheck, _ subject: CheckSubject) throws(Judgement) {
    switch test.group {
    case "lifecycle": try LifecycleChecks.run(test.id, subject)
    case "data": try DataChecks.run(test.id, subject)
    case "dns": try DNSChecks.run(test.id, subject)
    default: try ServiceChecks.run(test.id, subject)
    }
  }

  /// Reports the next step of the test, which the caller names if the process crashes or hangs in it.
  static func stage(_ stage: String) {
    guard stage != reached, process == getpid(), stages < 4000 else { return }
    reached = stage
    stages += 1
    write(CheckReport(stage: stage))
  }

  /// Ends the process without exit, so that the plugin's destructors do not run.
  static func finish(_ report: CheckReport) -> Never {
    // Not in a process that the plugin has forked.
    if getpid() == process { write(report) }
    _exit(0)
  }

  private static func write(_ report: CheckReport) {
    guard let bytes = try? JSONCoder.encode(report) else { return }
    try? Files.writeAll(output, bytes + [0x0a])
  }
}

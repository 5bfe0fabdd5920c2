// SPDX-License-Identifier: Apache-2.0
//
// plugin fuzz: passes random input to a plugin, with a new seed each time until it fails.

import ArgumentParser
import Daemon
import Platform

struct PluginFuzz: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fuzz", abstract: "Give a plugin garbage until it crashes, or the time is over.",
    discussion: """
      A network plugin gets frames that make no sense, a DNS plugin questions of any name and type: thousands in one \
      process, then others in the next. A crash or hang ends it, and says how to have the same again.

        lima-netd plugin fuzz ./lima-net-mine.so --seconds 600

      A plugin that is built with -fsanitize=address finds more: run it with LD_PRELOAD=$(cc -print-file-name=libasan.so).
      """)

  @Argument(help: "The plugin's file.", completion: .file())
  var file: String
  @Option(help: "How long.")
  var seconds: UInt64 = 60
  @Option(help: "The first seed; the next ones count up from it.")
  var seed: UInt64 = 1
  @Option(help: ArgumentHelp("The plugin's options, one JSON object.", valueName: "json"))
  var options = "{}"
  @Option(help: "Of a file with several plugins, this one.")
  var plugin: String?

  func run() throws {
    let plugin = try PluginFile(file: file, name: plugin, options: options)
    let test = plugin.plugin.kind == "dns" ? "dns-odd" : "data-garbage"
    let end = MonotonicClock.now() &+ min(seconds, 1 << 30) &* 1_000_000_000
    var seed = seed
    var runs = 0
    repeat {
      let report = try plugin.run(["check", plugin.path, test], seed: seed, seconds: 30)
      guard report.verdict == .pass else {
        throw CommandFailure(
          "seed \(seed): \(report.detail ?? "it failed")",
          remedy:
            "The same again:  lima-netd plugin check \(ShellWord.quoted(file)) --only \(test) --seed \(seed)"
        )
      }
      runs += 1
      seed &+= 1
    } while MonotonicClock.now() < end
    StandardOutput.print("\(Plural.text(runs, "seed")), nothing found; go on with --seed \(seed)")
  }
}

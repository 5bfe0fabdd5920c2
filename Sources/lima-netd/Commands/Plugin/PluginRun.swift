// SPDX-License-Identifier: Apache-2.0
//
// plugin run: passes a guest's frames from a file to a network plugin.

import ArgumentParser
import Daemon
import Platform

struct PluginRun: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Give a network plugin a guest's frames from a capture file.",
    discussion: """
      The frames of a pcap file come from the only guest of a network, one after the other; what the plugin sends is \
      written to another. No guest, daemon or privilege is needed: for debugging, and for tests that hold one file \
      against another.

        lima-netd capture default > guest.pcap
        lima-netd plugin run ./lima-net-mine.so --pcap guest.pcap --out answers.pcap
        tcpdump -enr answers.pcap
      """)

  @Argument(help: "The plugin's file.", completion: .file())
  var file: String
  @Option(help: ArgumentHelp("The guest's frames.", valueName: "file"), completion: .file())
  var pcap: String
  @Option(
    help: ArgumentHelp("Where the plugin's frames go.", valueName: "file"), completion: .file())
  var out: String
  @Option(help: ArgumentHelp("The plugin's options, one JSON object.", valueName: "json"))
  var options = "{}"
  @Option(help: "Of a file with several plugins, this one.")
  var plugin: String?

  func run() throws {
    guard Files.exists(pcap) else { throw CommandFailure("There is no file \(pcap)") }
    let plugin = try PluginFile(file: file, name: plugin, options: options)
    let report = try plugin.run(["replay", plugin.path, pcap, out], seconds: 600)
    guard report.verdict == .pass else {
      throw CommandFailure("\(plugin.plugin.name): \(report.detail ?? "it failed")")
    }
    StandardOutput.print(Paragraph.printable(report.detail ?? ""))
  }
}

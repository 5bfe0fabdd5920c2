// SPDX-License-Identifier: Apache-2.0
//
// StatusText: the daemon and its networks in lines of 80 columns; below the table a NOTE for each matter that needs a
// user's attention.

import Daemon
import Platform

enum StatusText {
  static func text(_ status: StatusReport) -> String {
    let running = status.networks.filter { $0.state == .running }.count
    let guests = status.networks.reduce(0) { $0 + $1.guests.count }
    var lines = Paragraph.lines(
      "lima-netd \(status.version) serves \(status.home): \(running) of "
        + "\(Plural.text(status.networks.count, "network")) running, "
        + Plural.text(guests, "guest"), first: "", indent: 2)
    lines += Paragraph.lines(
      "process \(status.pid), since \(status.started), configuration "
        + (status.config.present
          ? status.config.file : "built in (there is no \(status.config.file))"),
      first: "", indent: 2)
    lines += ["", table(status.networks)]
    let notes = notes(status)
    if !notes.isEmpty { lines += [""] + notes }
    return lines.joined(separator: "\n")
  }

  /// Without long columns; names are cut off if the table would be too wide.
  private static func table(_ networks: [NetworkReport]) -> String {
    var table = Table("NAME", "MODE", "STATE", "GUESTS", "FORWARDS", "PLUGIN")
    for network in networks {
      table.add(
        cut(network.name, 24), cut(network.mode, 12),
        network.unresponsive == nil ? network.state.rawValue : "hangs",
        String(network.guests.count), String(network.forwards.count),
        network.plugin.map { cut("\($0.name) \($0.version)", 17) })
    }
    return table.isEmpty ? "No networks." : table.text
  }

  static func cut(_ text: String, _ most: Int) -> String {
    text.count <= most ? text : text.prefix(most - 3) + "..."
  }

  private static func notes(_ status: StatusReport) -> [String] {
    var notes: [String] = []
    if let error = status.config.error {
      notes.append("the configuration is refused, the one before is in force: \(error)")
    }
    for network in status.networks {
      if let hang = network.unresponsive { notes.append("\(network.name): \(hang.text)") }
      if let note = NetworkText.note(network) { notes.append(about(network.name, note)) }
      for forward in network.forwards.dropFirst(0) {
        guard let error = forward.error, NetworkText.note(network)?.contains(error) != true else {
          continue
        }
        notes.append("\(network.name): forward \(forward.protocol) \(forward.host): \(error)")
      }
      if let exit = network.lastExit {
        notes.append("\(network.name): \(exit.reason) at \(exit.time); log: \(network.log)")
      }
    }
    for note in status.notes ?? [] {
      notes.append(
        "\(note.network): \(note.text) (\(note.time))" + (note.remedy.map { ": \($0)" } ?? ""))
    }
    notes += status.warnings
    // Several errors of one file are a line each.
    return notes.flatMap { note in
      note.split(separator: "\n").enumerated().flatMap { index, line in
        Paragraph.lines(String(line), first: index == 0 ? "NOTE " : nil, indent: 5)
      }
    }
  }

  /// Does not repeat the network's name if the text begins with it.
  private static func about(_ network: String, _ text: String) -> String {
    let own = "network \(network): "
    return "\(network): \(text.hasPrefix(own) ? String(text.dropFirst(own.count)) : text)"
  }
}

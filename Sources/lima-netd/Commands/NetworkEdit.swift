// SPDX-License-Identifier: Apache-2.0
//
// network edit: changes keys of a network in networks.yaml, or opens the whole file in an editor and replaces it only by a
// valid one.

import ArgumentParser
import Daemon
import Platform

struct NetworkEdit: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit",
    abstract: "Change a network of networks.yaml, or open the file in an editor.",
    discussion: """
        lima-netd network edit lab --gateway 192.168.112.1
        lima-netd network edit lab --prefix6 auto
        lima-netd network edit

      Without options $VISUAL, $EDITOR or vi opens a copy; what it saves replaces the file when it has no mistakes, and \
      is kept beside it when it has. What a network that runs cannot take over before its next start is told, with the command for it.
      """)

  @Argument(help: "The network.", completion: .networks)
  var name: String?
  @OptionGroup var draft: NetworkDraftOptions
  @Flag(name: .shortAndLong, help: "Also when this host has a route to the subnet.")
  var force = false
  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    if name == nil, !draft.isEmpty {
      throw ValidationError("Which network? The options change one: network edit NAME ...")
    }
  }

  func run() throws {
    let editing = try NetworkEditing(home)
    guard let name, !draft.isEmpty else {
      let (outcome, report) = try NetworksEditor.edit(editing, try editing.file(), name)
      try listing.show(outcome) { outcome.text }
      return editing.tellUnsettled(report, listing)
    }
    var file = try editing.lockedFile()
    let before: NetworkConfiguration
    let changes: [NetworksText.Change]
    let asked = NetworkDraft(
      mode: draft.mode ?? "", gateway: draft.gateway, dhcpEnd: draft.dhcpEnd,
      interface: draft.interface, prefix6: draft.network6, gateway6: draft.gateway6)
    do { _ = try asked.changes() } catch { throw CommandFailure("\(error)") }
    if let mode = draft.mode { try editing.checkMode(mode) }
    before = try editing.network(name, in: file)
    do { changes = try asked.changes(of: before) } catch {
      throw editing.failure(error, name, asked, in: file, command: "edit")
    }
    try editing.apply(to: &file) { (text: inout NetworksText) throws(NetworksEditError) in
      try text.change(name, changes)
    }
    let network = try editing.network(name, in: file)
    if network.subnet != before.subnet || draft.mode != nil { try editing.checkGateway(network) }
    if !force { try editing.checkRoutes(network, since: before) }
    let report = try editing.write(file)
    // What nobody gave, because it is not in the new gateway's network.
    let moved = changes.contains { $0.key == "dhcpEnd" } && draft.dhcpEnd == nil
    try listing.show(WrittenNetwork(network, file: file.path)) {
      "\(name) is changed"
        + (moved ? network.settings.dhcpEnd.map { ", and its dhcpEnd is \($0) now" } ?? "" : "")
    }
    editing.tellUnsettled(report, listing)
    editing.warn(of: network)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// StateCheck: whether this version goes on with the state of another, decided before anything of it is taken. Pure.

import HostProtocol
import Platform

enum StateCheck {
  /// - Throws: what to tell users.
  static func decode(_ bytes: [UInt8]) throws(ErrorReport) -> DaemonState {
    let header: StateHeader
    do { header = try JSONText.decode(Envelope.self, from: bytes).header } catch {
      throw ErrorReport(.invalidConfig, "the state makes no sense: \(JSONText.explain(error))")
    }
    guard header.format == StateHeader.format else {
      throw ErrorReport(.invalidConfig, "the state is none of a lima-netd's")
    }
    guard header.version == StateHeader.version else {
      throw ErrorReport(
        .unsupported,
        "the state of version \(header.program) has format \(header.version), and only "
          + "\(StateHeader.version) is understood: start the daemon anew, with  lima-netd restart")
    }
    let state: DaemonState
    do { state = try JSONText.decode(DaemonState.self, from: bytes) } catch {
      throw ErrorReport(.invalidConfig, "the state makes no sense: \(JSONText.explain(error))")
    }
    if let problem = problem(of: state) {
      throw ErrorReport(.invalidConfig, "the state makes no sense: \(problem)")
    }
    return state
  }

  private struct Envelope: Decodable { var header: StateHeader }

  /// What of it cannot be; nil: nothing.
  static func problem(of state: DaemonState) -> String? {
    if state.descriptors.contains(where: { $0 < 3 }) { return "a descriptor below 3" }
    if Set(state.descriptors).count != state.descriptors.count { return "a descriptor twice" }
    var left = Set(state.descriptors)
    for fd in used(by: state) where left.remove(fd) == nil {
      return "descriptor \(fd) is nobody's, or has two owners"
    }
    let names = state.networks.map(\.name)
    if Set(names).count != names.count { return "a network twice" }
    if !names.allSatisfy(Identifier.isValid) { return "a network without a name" }
    for network in state.networks {
      if (network.phase == .running) != (network.process != nil) {
        return "network \(network.name) runs without a process, or has one at rest"
      }
      if network.process.map({ $0.pid <= 1 }) ?? false { return "a process that cannot be one" }
      if network.phase == .running, network.plan == nil { return "a process without a plan" }
      let ids = network.guests.links.map(\.id)
      if Set(ids).count != ids.count || ids.count > GuestRegistry.maximum {
        return "guests of network \(network.name)"
      }
      let slots = network.guests.links.map(\.journalSlot).filter { $0 >= 0 }
      if Set(slots).count != slots.count || slots.contains(where: { $0 >= JournalLayout.slots }) {
        return "the journal of network \(network.name)"
      }
    }
    return nil
  }

  /// Descriptors that its parts name.
  static func used(by state: DaemonState) -> [Int32] {
    var all =
      [state.lock] + state.inherited + state.sockets.map(\.fd) + state.clients.map(\.channel)
    for network in state.networks {
      if let process = network.process { all += [process.channel, process.heartbeat] }
      if let journal = network.guests.journal { all.append(journal) }
      all += network.guests.links.map(\.fd) + network.forwards.sockets.map(\.fd)
      if let keeper = network.keeper { all.append(keeper.socket) }
      switch network.uplink {
      case .tap(let tap): all.append(tap.fd)
      case .cards(let cards): all += cards.held.map(\.fd)
      case .peer, nil: break
      }
    }
    return all
  }

  /// Networks whose processes speak a protocol that this version does not.
  static func strangers(in state: DaemonState, understood: ClosedRange<UInt64>) -> [NetworkHandover]
  {
    state.networks.filter { $0.process.map { !understood.contains($0.version) } ?? false }
  }

  /// Why this version does not go on with the processes; nil: it does.
  static func refusal(
    of state: DaemonState, understood: ClosedRange<UInt64> = HostProtocolVersion.understood
  ) -> ErrorReport? {
    let strangers = strangers(in: state, understood: understood)
    guard !state.replacesProcesses, let first = strangers.first else { return nil }
    let names = strangers.map(\.name).joined(separator: ", ")
    return ErrorReport(
      .unsupported,
      "the processes of \(names) speak another protocol (\(first.process?.version ?? 0), and "
        + "\(understood.lowerBound) to \(understood.upperBound) are understood): with "
        + "--restart-networks they are replaced; guests keep their links, and their connections are reset"
    )
  }
}

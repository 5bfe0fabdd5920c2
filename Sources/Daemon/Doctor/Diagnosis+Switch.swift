// SPDX-License-Identifier: Apache-2.0
//
// Whether this user's daemon may change bridges of Open vSwitch, which by default only root may.

extension Diagnosis {
  /// A finding for each network on such a bridge.
  func switches() -> [Finding] {
    guard isLinux else { return [] }
    return networks(["bridged"]).compactMap { network in
      guard let request = HostTapRequest(network), case .bridge(let bridge) = request.place,
        facts.links.interfaces[bridge] == .openVSwitch, let answer = facts.links.switches[bridge]
      else { return nil }
      let head = "network \(network.name): "
      guard let failure = answer else {
        return Finding(
          .openVSwitch, ["bridged"], .ok, "\(head)ovs-vsctl may change \(bridge)")
      }
      let setup = asRoot("\(facts.command) network setup \(network.name)\(homeWords)")
      switch failure {
      case .denied, .noProgram:
        guard hasPort(network, bridge) else { break }
        return Finding(
          .openVSwitch, ["bridged"], .ok, "\(head)root has made its interface a port of \(bridge)")
      default: break
      }
      return Finding(
        .openVSwitch, ["bridged"], .problem, head + failure.sentence(bridge),
        remedy: failure.remedy(setup: setup))
    }
  }

  private func hasPort(_ network: NetworkConfiguration, _ bridge: String) -> Bool {
    guard let tap = facts.links.taps[network.name] else { return false }
    return tap.exists && tap.persists && tap.owner == facts.user.uid && tap.bridge == bridge
  }
}

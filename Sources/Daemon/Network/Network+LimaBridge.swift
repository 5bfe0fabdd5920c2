// SPDX-License-Identifier: Apache-2.0
//
// A network beside Lima's own helper: joins the bridge that is kept, and tells of one that is left over. Loop thread.

import Logging
import Platform

extension Network {
  /// Before it is asked for an interface.
  func join(_ plan: inout LaunchPlan) {
    guard let bridge = limaBridge(plan) else { return }
    switch bridge.state {
    case .kept(let pid):
      plan.joined = bridge
      log(
        .notice,
        "Lima's own helper (process \(pid)) keeps the bridge \(bridge.name): joins it as a guest's port, and "
          + "serves no DHCP and no DNS")
      warnOfOtherSubnet(plan, bridge)
    case .leftOver(let why):
      log(
        .warning,
        "the bridge \(bridge.name) is there, and Lima's own helper does not keep it: \(why)")
    }
  }

  private func limaBridge(_ plan: LaunchPlan) -> LimaBridge? {
    guard plan.plugin.plugin.needsTap, plan.peerSocket == nil else { return nil }
    return context.limaBridges.look(for: name, mode: plan.network.settings.mode)
  }

  /// networks.yaml may have changed since the helper read it.
  private func warnOfOtherSubnet(_ plan: LaunchPlan, _ bridge: LimaBridge) {
    guard let subnet = plan.network.subnet, let all = try? HostInterfaces.addresses() else {
      return
    }
    let own = all.filter { $0.interface == bridge.name }
    guard !own.isEmpty, !own.contains(where: { subnet.contains(IPv4Address($0.address)) }) else {
      return
    }
    let text = own.map { "\(IPv4Address($0.address))/\($0.prefixLength)" }.joined(separator: ", ")
    log(
      .warning,
      "\(bridge.name) has \(text), and networks.yaml says \(subnet): what the bridge has holds")
  }

  /// A refusal that is about a bridge nobody keeps any more, with the command that takes it away.
  func leftOver(_ plan: LaunchPlan, _ report: ErrorReport) -> ErrorReport {
    guard let bridge = limaBridge(plan), case .leftOver(let why) = bridge.state,
      report.message.contains("interface \(bridge.name) ")
    else { return report }
    return ErrorReport(
      code: report.code,
      message: report.message
        + ". \(bridge.name) is left over from Lima's own helper (\(why)): take it away:  "
        + "sudo ip link del \(bridge.name)")
  }
}

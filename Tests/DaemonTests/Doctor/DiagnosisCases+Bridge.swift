// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the interface of a bridged network.

import Platform
import Testing

@testable import Daemon

extension DiagnosisTests {
  static let bridges: [Case] = [
    Case(
      .bridge, .problem, "br0 is not there, and no network card: take shared instead",
      "lima-netd recommend --from host", modes: ["bridged"]
    ) {
      $0.links.interfaces = [:]
    },
    Case(
      .bridge, .problem, "br0 is not there: did you mean `br1`?",
      "lima-netd network edit lan --interface br1 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.links.interfaces = [:]
      $0.links.candidates = ["docker0", "enp3s0", "br1"]
    },
    Case(
      .bridge, .problem, "br0 is not there",
      "lima-netd network edit lan --interface enp3s0 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.links.interfaces = [:]
      $0.links.candidates = ["docker0", "enp3s0"]
    },
    Case(
      .bridge, .problem, "br0 is a port of br7: that one is to be the network's interface",
      "lima-netd network edit lan --interface br7 --lima-home /h/.lima", modes: ["bridged"]
    ) {
      $0.links.interfaces["br0"] = .card(isPort: true)
      $0.links.masters["br0"] = "br7"
    },
    Case(.bridge, .problem, "wireless", "lima-netd recommend --from host") {
      $0.links.interfaces["br0"] = .wireless
    },
    Case(
      .bridge, .problem, "neither a bridge nor a network card", "lima-netd recommend --from host"
    ) { $0.links.interfaces["br0"] = .plain },
    Case(
      .bridge, .problem, "neither a bridge nor a network card: there are docker0, enp3s0",
      "lima-netd network edit lan --interface enp3s0 --lima-home /h/.lima"
    ) {
      $0.links.interfaces["br0"] = .plain
      $0.links.candidates = ["docker0", "enp3s0"]
      $0.ip.routes.append(HostRoute(interface: "enp3s0", network: 0, prefixLength: 0))
    },
    Case(
      .bridge, .problem, "is a port of something that guests cannot be on",
      "lima-netd recommend --from host"
    ) { $0.links.interfaces["br0"] = .card(isPort: true) },
    Case(.bridge, .ok, "this host and the guests do not reach each other", nil) {
      $0.links.interfaces["br0"] = .card(isPort: false)
    },
    Case(
      .tap, .problem, "a guest's macvtap on br0 cannot be set up before",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) {
      $0.links.interfaces["br0"] = .card(isPort: false)
      $0.privilege.sudo = .refused("")
    },
    Case(.bridge, .ok, "Open vSwitch", nil) { $0.links.interfaces["br0"] = .openVSwitch },
    Case(.openVSwitch, .ok, "ovs-vsctl may change br0", nil) {
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.switches["br0"] = .some(nil)
    },
    Case(
      .openVSwitch, .problem, "may not change (Permission denied)",
      setup.replacing("shared", with: "lan"), modes: ["bridged"]
    ) {
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.switches["br0"] = .denied("Permission denied")
      $0.links.taps["lan"]?.persists = false
    },
    // What root has set up needs no right of this user.
    Case(.openVSwitch, .ok, "a port of br0", nil) {
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.switches["br0"] = .denied("Permission denied")
      $0.links.taps["lan"]?.bridge = "br0"
    },
    Case(
      .openVSwitch, .problem, "its database does not answer",
      "sudo systemctl start \(OVSFailure.unit)"
    ) {
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.switches["br0"] = .notRunning("No such file or directory")
    },
    Case(.openVSwitch, .problem, "ovs-vsctl is not in PATH", nil) {
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.switches["br0"] = .noProgram
      $0.links.taps["lan"]?.bridge = "another bridge"
    },
    Case(
      .bridgeFilter, .problem, "FORWARD policy DROP",
      "sudo sysctl -w net.bridge.bridge-nf-call-iptables=0", modes: ["bridged"]
    ) { $0.kernel.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .drop) },
    Case(
      .bridgeFilter, .warning, "root's to read",
      "sudo lima-netd doctor bridged --lima-home /h/.lima"
    ) {
      $0.kernel.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .unknown)
    },
    Case(.bridgeFilter, .ok, "nftables' own rules were not looked at", nil) {
      $0.kernel.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .accept)
    },
    Case(
      .bridgeFilter, .warning, "the chain `ip f fw` of nftables drops",
      "sudo sysctl -w net.bridge.bridge-nf-call-iptables=0"
    ) {
      $0.kernel.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .accept)
      $0.kernel.bridgeFilter.dropping = ["ip f fw"]
    },
    Case(.bridgeFilter, .ok, "leaves bridged frames alone", nil) {
      $0.kernel.bridgeFilter = HostFacts.BridgeFilter(isOn: true, forward: .drop)
      $0.links.interfaces["br0"] = .openVSwitch
      $0.links.interfaces["br7"] = .bridge
    },
  ]
}

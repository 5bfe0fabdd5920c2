// SPDX-License-Identifier: Apache-2.0
//
// VZNAT: what is said of Apple's own NAT, which lima-netd has no part in: VZNATNetworkDeviceAttachment of
// Virtualization.framework. Pure.

enum VZNAT {
  /// What it needs, and which network does the same here.
  static func instead(_ networks: [NetworkConfiguration]) -> String {
    // Lima's own of that name is the one that guides tell of, and that is likely to be set up.
    let names = networks.filter { $0.settings.mode == "shared" }.map(\.name).sorted()
    let shared = names.contains("shared") ? "shared" : names.first
    return needs + "; a network of mode shared does the same with any other VM: "
      + (shared.map { "`lima: \($0)`" }
        ?? "lima-netd network create shared --mode shared --gateway 192.168.105.1, then `lima: shared`")
  }

  static let needs = "vzNAT is macOS's own NAT, for VMs with `vmType: vz` on macOS 13 or later"

  /// Of an interface that has it.
  static func note(_ interface: String) -> String {
    "\(interface) is on vzNAT: macOS itself gives it address, names and the way outside, and it needs no daemon"
  }

  /// Of a network in networks.yaml that asks for it.
  static let noMode =
    "vzNAT is no mode of a network: write `vzNAT: true` among the `networks:` of a lima.yaml (\(needs)), "
    + "or give the network mode `shared`, which does the same here"

  static func isMeant(by mode: String) -> Bool {
    ["vznat", "vz-nat", "vz_nat"].contains(mode.lowercased())
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// VZNAT: messages about Apple's NAT, in which lima-netd is not involved: VZNATNetworkDeviceAttachment of
// Virtualization.framework. Pure.

enum VZNAT {
  /// Its requirement, and the equivalent network here.
  static func instead(_ networks: [NetworkConfiguration]) -> String {
    // Lima's own of that name is the one that guides tell of, and that is likely to be set up.
    let names = networks.filter { $0.settings.mode == "shared" }.map(\.name).sorted()
    let shared = names.contains("shared") ? "shared" : names.first
    return needs + "; a network of mode shared does the same with any other VM: "
      + (shared.map { "`lima: \($0)`" }
        ?? "lima-netd network create shared --mode shared --gateway 192.168.105.1, then `lima: shared`")
  }

  static let needs = "vzNAT is macOS's own NAT, for VMs with `vmType: vz` on macOS 13 or later"

  /// The note for an interface with it.
  static func note(_ interface: String) -> String {
    "\(interface) is on vzNAT: macOS itself gives it address, names and the way outside, and it needs no daemon"
  }

  /// The message for a network in networks.yaml with that mode.
  static let noMode =
    "vzNAT is no mode of a network: write `vzNAT: true` among the `networks:` of a lima.yaml (\(needs)), "
    + "or give the network mode `shared`, which does the same here"

  static func isMeant(by mode: String) -> Bool {
    ["vznat", "vz-nat", "vz_nat"].contains(mode.lowercased())
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with subnets, the helper, sudo, and interfaces that were set up.

import Platform
import Testing

@testable import Daemon

extension DiagnosisTests {
  private static let back =
    "sudo sh -c 'ip link set foo down && ip link set foo name ln1000-shared && ip link set ln1000-shared up'"

  /// Somebody calls the interface of network shared "foo".
  private static func rename(_ facts: inout HostFacts, lasts: Bool) {
    facts.links.taps["shared"]?.name = "foo"
    facts.links.taps["shared"]?.persists = lasts
    facts.links.taps["shared"]?.renamedFrom = "ln1000-shared"
    facts.links.taps["shared"]?.isHeld = !lasts
    facts.ip.addresses[0].interface = "foo"
  }

  static let taps: [Case] = [
    Case(
      .subnet, .problem, "192.168.105.0/24 is this host's already (own has 192.168.105.7/25)",
      "lima-netd network edit shared --gateway 192.168.107.1 --lima-home /h/.lima",
      modes: ["shared"]
    ) {
      $0.ip.addresses.append(HostAddress(interface: "own", address: 0xC0A8_6907, prefixLength: 25))
    },
    Case(
      .subnet, .warning, "route 192.168.104.0/24 by tun0",
      "lima-netd network edit user-v2 --gateway 192.168.107.1 --lima-home /h/.lima",
      modes: ["user-v2"]
    ) {
      $0.ip.routes.append(HostRoute(interface: "tun0", network: 0xC0A8_6800, prefixLength: 24))
    },
    // A VPN for all, or for the private networks: the longest match is the network's own.
    Case(.subnet, .ok, "nothing else here has 192.168.105.0/24", nil, modes: ["shared"]) {
      $0.ip.routes.append(HostRoute(interface: "tun0", network: 0, prefixLength: 1))
      $0.ip.routes.append(HostRoute(interface: "tun0", network: 0x8000_0000, prefixLength: 1))
      $0.ip.routes.append(HostRoute(interface: "tun0", network: 0xC0A8_0000, prefixLength: 16))
    },
    Case(
      .subnet, .problem, "(eth1 has 192.168.0.7/16)",
      "lima-netd network edit shared --gateway 172.30.1.1 --lima-home /h/.lima",
      modes: ["shared"]
    ) {
      $0.ip.addresses.append(HostAddress(interface: "eth1", address: 0xC0A8_0007, prefixLength: 16))
    },
    Case(.helper, .warning, "/u/t is missing", "sudo make install", modes: ["bridged", "shared"]) {
      $0.privilege.helper = HostFacts.Helper(path: "/u/t", flaw: .missing("/u/t"))
    },
    Case(.helper, .problem, "/u/t is missing", "sudo make install", modes: ["host"]) {
      $0.privilege.helper = HostFacts.Helper(path: "/u/t", flaw: .missing("/u/t"))
    },
    Case(
      .helper, .problem, "/u/t would run as root", "sudo chmod o-w /u", modes: ["host", "bridged"]
    ) {
      $0.links.taps["lan"]?.exists = false
      $0.privilege.helper = HostFacts.Helper(
        path: "/u/t",
        flaw: .worldWritable(PathNode("/u", PathStatus(kind: .directory, mode: 0o777))))
    },
    Case(.sudo, .warning, "not installed", nil) { $0.privilege.sudo = .missing },
    Case(
      .sudo, .warning, "a password is required",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) { $0.privilege.sudo = .refused("sudo: a password is required") },
    Case(
      .sudo, .warning, "a password is required",
      "lima-netd sudoers --user alice --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd"
    ) {
      $0.privilege.sudo = .refused("sudo: a password is required")
      $0.user.isInSudoersGroup = false
    },
    Case(.sudo, .warning, "did not answer", nil) { $0.privilege.sudo = .silent },
    Case(.sudo, .ok, "network shared", nil, modes: ["shared"]) {
      $0.privilege.sudo = .listing("    (root) NOPASSWD: \($0.privilege.helper.path) \(words)\n")
    },
    Case(.sudo, .ok, "network lan: sudo is not asked: its interface is set up", nil) {
      $0.privilege.sudo = .listing("    (root) NOPASSWD: \($0.privilege.helper.path) \(words)\n")
    },
    Case(
      .sudo, .warning, "network lan: sudo does not",
      "lima-netd sudoers --lima-home /h/.lima | sudo tee /etc/sudoers.d/lima-netd",
      modes: ["bridged"]
    ) {
      $0.links.taps["lan"]?.exists = false
      $0.privilege.sudo = .listing("    (root) NOPASSWD: \($0.privilege.helper.path) \(words)\n")
    },
    Case(.tap, .problem, "is not set up", setup, modes: ["shared"]) {
      $0.links.taps["shared"]?.exists = false
    },
    Case(.tap, .ok, "by sudo", nil, modes: ["shared"]) {
      $0.links.taps["shared"]?.exists = false
      $0.privilege.sudo = .listing("    (root) NOPASSWD: \($0.privilege.helper.path) \(words)\n")
    },
    Case(.tap, .ok, "by root", nil, modes: ["shared"]) {
      $0.links.taps["shared"]?.exists = false
      $0.user.uid = 0
    },
    Case(.tap, .problem, "has no owner", "sudo ip link del ln1000-shared") {
      $0.links.taps["shared"]?.owner = nil
    },
    Case(.tap, .problem, "uid 1001", "sudo ip link del ln1000-shared") {
      $0.links.taps["shared"]?.owner = 1001
    },
    Case(.tap, .problem, "is no TAP", "sudo ip link del ln1000-shared") {
      $0.links.taps["shared"]?.isTap = false
    },
    Case(.tap, .problem, "with 10.0.0.1/8, and the network has 192.168.105.1/24", setup) {
      $0.links.taps["shared"]?.addresses = ["10.0.0.1/8"]
    },
    Case(.tap, .problem, "was set up with fd00::1/64, and the network has fd", setup) {
      $0.links.taps["shared"]?.addresses6 = ["fd00::1/64"]
    },
    Case(
      .tap, .warning, "host and guests do not reach each other by IPv6",
      "sudo "
        + HostTapMaker.addressing6(
          HostTapRequest.ownWord("shared").replacing("-", with: ":"), "ln1000-shared")
    ) {
      $0.links.taps["shared"]?.addresses6 = []
    },
    Case(
      .tap, .warning, "has the address 10.55.0.1/24, too",
      "sudo ip address del 10.55.0.1/24 dev ln1000-shared"
    ) { $0.links.taps["shared"]?.addresses.append("10.55.0.1/24") },
    Case(
      .tap, .warning, "has the address fd55::1/64, too",
      "sudo ip address del fd55::1/64 dev ln1000-shared"
    ) { $0.links.taps["shared"]?.addresses6.append("fd55::1/64") },
    Case(.tap, .problem, "with MTU 9000", setup) { $0.links.taps["shared"]?.mtu = 9000 },
    Case(.tap, .problem, "port of another bridge", setup.replacing("shared", with: "lan")) {
      $0.links.taps["lan"]?.bridge = "another bridge"
    },
    Case(.tap, .ok, "in use now", nil) {
      $0.links.taps["shared"]?.persists = false
      $0.serving = .daemon(pid: 7)
    },
    Case(
      .tap, .problem, "in use by another process",
      OtherDaemons.asking(who: "ln1000-shared")
    ) { $0.links.taps["shared"]?.persists = false },
    Case(.tap, .ok, "foo, made as ln1000-shared, is in use now", nil) { rename(&$0, lasts: false) },
    Case(.subnet, .ok, "nothing else here has 192.168.105.0/24", nil) { rename(&$0, lasts: false) },
    Case(.tap, .problem, "foo was set up as ln1000-shared and renamed: it is not found", back) {
      rename(&$0, lasts: true)
    },
    Case(.tap, .warning, "the daemon that has it is the last to find it", back) {
      rename(&$0, lasts: true)
      $0.links.taps["shared"]?.isHeld = true
    },
    Case(
      .tap, .warning, "is set up for the network of that name of /h/other",
      "sudo lima-netd network unsetup shared --lima-home /h/other"
    ) { $0.links.taps["shared"]?.otherHome = "/h/other" },
  ]
}

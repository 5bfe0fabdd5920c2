// SPDX-License-Identifier: Apache-2.0
//
// Mode bridged on a plain network card: a macvtap for each guest. The card is one end of a wire, the LAN with its DHCP
// server is in the namespace at the other (HostTapScene).

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(3))) struct BridgedCardTests {
    private static let configuration = """
      networks:
        lan:
          mode: bridged
          interface: out

      """

    private func macvtaps() -> [String] {
      let all = (try? FileManager.default.contentsOfDirectory(atPath: "/dev")) ?? []
      return all.filter { $0.hasPrefix("tap") }.sorted()
    }

    private func note(_ scene: HostTapScene, _ text: String) throws -> Bool {
      try eventually { try scene.daemon.netd("network", "ls").output.contains(text) }
    }

    @Test func `guests have leases of the LAN, lose the card and get it back, and leave nothing`()
      throws
    {
      try require(.tap, .root, .program("dnsmasq"), .program("busybox"))
      let before = macvtaps()
      let scene = try HostTapScene(configuration: Self.configuration)
      let guests = try [BridgedGuest(scene, "one"), BridgedGuest(scene, "two")]
      defer {
        guests.forEach { $0.stop() }
        scene.stop()
      }
      let interfaces = try scene.interfaces()
      // Behind a shell: it closes what it inherits, by which Foundation would take it for ended.
      try scene.begin(
        scene.outsideWrapper,
        [
          "sh", "-c",
          """
          setpriv --pdeathsig KILL dnsmasq -d -C /dev/null -i eth0 --port=0 --no-ping --user=root \
            --dhcp-range=203.0.113.50,203.0.113.60,1h --dhcp-leasefile=\(scene.daemon.home)/leases
          true
          """,
        ])
      let addresses = try guests.map { try $0.lease() }
      #expect(
        addresses.allSatisfy { $0.hasPrefix("203.0.113.5") || $0 == "203.0.113.60" },
        "\(addresses)")

      func reached(_ address: String) throws -> Bool {
        try eventually {
          try scene.outsideShell("ping -c 1 -W 1 \(address)").succeeded
        }
      }
      for address in addresses { #expect(try reached(address), "\(scene.daemon.log)") }
      // Another supervisor has their macvtaps.
      let upgrade = try scene.daemon.netd("upgrade")
      #expect(upgrade.succeeded, "\(upgrade)\(scene.daemon.log)")
      for address in addresses { #expect(try reached(address), "\(scene.daemon.log)") }
      let across = try guests[0].machine.shell("ping -c 1 -W 5 \(addresses[1])")
      #expect(across.succeeded, "\(across)")
      // IPv6 asks by groups that the card's own stack has not joined.
      let link = try guests[0].machine.shell(
        "ip -6 -o addr show dev lan0 scope link | sed 's/.*inet6 //; s,/.*,,'"
      ).output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(
        try eventually {
          try scene.outsideShell("ping -6 -c 1 -W 1 \(link)%eth0").succeeded
        })
      // What macvtap cannot, and that it is said.
      #expect(try !scene.host.shell("ping -c 1 -W 1 \(addresses[0])").succeeded)
      let inspected = try scene.daemon.netd("network", "inspect", "lan").output
      #expect(inspected.contains("this host and its guests do not"), "\(inspected)")
      #expect(scene.daemon.log.contains("this host and its guests do not"))
      // The host's own list has nothing new.
      #expect(try scene.interfaces() == interfaces)
      #expect(macvtaps().count == before.count + 2)

      // A process that dies: the next one has the macvtaps, with the guests' addresses.
      let first = try #require(try scene.daemon.hostProcess(of: "lan"))
      kill(Int32(first), SIGKILL)
      #expect(
        try eventually {
          let next = try scene.daemon.hostProcess(of: "lan")
          return next != nil && next != first
        })
      for address in addresses { #expect(try reached(address), "\(scene.daemon.log)") }

      #expect(try scene.host.shell("ip link set out down").succeeded)
      #expect(try note(scene, "out is down"))
      #expect(try scene.host.shell("ip link set out up").succeeded)
      #expect(
        try eventually {
          try !scene.daemon.netd("network", "ls").output.contains("is down")
        })

      #expect(try scene.host.shell("ip link del out").succeeded)
      #expect(try note(scene, "out is gone"))
      #expect(macvtaps() == before)
      let back = try scene.host.shell(
        "ip link add out type veth peer name eth0 netns \(scene.outside); ip link set out up")
      #expect(back.succeeded, "\(back)")
      try scene.outsideShell("ip addr add 203.0.113.2/24 dev eth0; ip link set eth0 up")
      for address in addresses { #expect(try reached(address), "\(scene.daemon.log)") }
      #expect(try !scene.daemon.netd("network", "ls").output.contains("is gone"))

      // One leaves: its macvtap goes.
      guests[0].stop()
      #expect(eventually { macvtaps().count == before.count + 1 })
      let process = try #require(try scene.daemon.hostProcess(of: "lan"))
      kill(scene.daemonProcess, SIGKILL)
      kill(Int32(process), SIGKILL)
      #expect(eventually { macvtaps() == before })
    }

    @Test func `a card that cannot be used is refused with the reason, and so is its own address`()
      throws
    {
      try require(.tap, .root)
      let scene = try HostTapScene(configuration: Self.configuration)
      defer { scene.stop() }
      let card = try scene.host.shell("cat /sys/class/net/out/address || ip -o link show out")
        .output
      let setup = try scene.daemon.netd(
        "network", "setup", "lan", "--lima-home", scene.daemon.home)
      #expect(!setup.succeeded && setup.errors.contains("out is a network card"), "\(setup)")
      #expect(setup.errors.contains("lima-netd sudoers"), "\(setup)")

      let mac = try #require(
        card.split(whereSeparator: \.isWhitespace).first { $0.split(separator: ":").count == 6 })
      let guest = try BridgedGuest(scene, "thief", mac: String(mac))
      defer { guest.stop() }
      #expect(
        eventually {
          scene.daemon.log(of: "lan").contains("it is the card's own or another guest's")
        }, "\(scene.daemon.log(of: "lan"))")
      #expect(try scene.host.shell("ping -c 1 -W 2 203.0.113.2").succeeded)

      #expect(try scene.daemon.netd("network", "stop", "lan").succeeded)
      #expect(try scene.host.shell("ip link set out master own").succeeded)
      let port = try scene.daemon.netd("network", "start", "lan")
      #expect(!port.succeeded && port.errors.contains("out is a port of own"), "\(port)")
    }
  }
}

/// A machine of its own on network `lan`, with an interface `lan0` and nothing configured.
final class BridgedGuest {
  let machine: Namespace
  private let link: RunningCommand

  init(_ scene: HostTapScene, _ name: String, on network: String = "lan", mac: String? = nil) throws
  {
    machine = try Namespace()
    let words =
      ["attach", network, "--netns", "/proc/\(machine.processIdentifier)/ns/net"]
      + ["--no-config", "--name", name, "--tap", "lan0"] + (mac.map { ["--mac", $0] } ?? [])
    let all = scene.host.wrapper + [Installation.daemon] + words
    let link = try RunningCommand(
      all[0], Array(all.dropFirst()), environment: scene.daemon.environment)
    self.link = link
    let isUp = eventually {
      link.output.contains("lan0") || !link.process.isRunning
    }
    guard isUp, link.process.isRunning else {
      machine.remove()
      throw TestFailure("not attached: \(link.output)\(link.errors)\n\(scene.daemon.log)")
    }
    try machine.shell("ip link set lan0 up")
  }

  var isRunning: Bool { link.process.isRunning }

  /// The address that a DHCP server of the LAN gives.
  func lease() throws -> String {
    let asked = try machine.shell(
      "busybox udhcpc -i lan0 -q -n -f -t 10 -T 2 -s \(Installation.fixtures)/udhcpc.script",
      seconds: 40)
    let shown = try machine.shell("ip -4 -o addr show dev lan0 | sed 's/.*inet //; s,/.*,,'")
    let address = shown.output.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !address.isEmpty else { throw TestFailure("no lease: \(asked)") }
    return address
  }

  /// Idempotent.
  func stop() {
    link.stop()
    machine.remove()
  }
}

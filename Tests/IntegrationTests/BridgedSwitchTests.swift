// SPDX-License-Identifier: Apache-2.0
//
// Mode bridged on Open vSwitch: guests on a LAN, ports that come and go whatever is killed, what is said when Open vSwitch
// cannot be had, and a network that spans two hosts.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(5))) struct BridgedSwitchTests {
    private static let parts: [Requirement] = [
      .tap, .root, .program("ovs-vsctl"), .program("ovs-vswitchd"), .program("dnsmasq"),
      .program("busybox"), .program("python3"), .program("ethtool"), .program("curl"),
    ]

    private static func requireParts(_ more: Requirement...) throws {
      for part in parts + more { try require(part) }
    }

    @Test func `guests on a bridge of Open vSwitch are stations of the LAN`() throws {
      try Self.requireParts(.virtualMachine)
      let scene = try BridgedScene(
        .openVSwitch, options: "    options: {ifaceId: 'lsp/web-1'}")
      defer { scene.stop() }
      try expectStations(scene)
      let tap = "ln0-lan"
      #expect(try scene.ports().sorted() == ["lan", tap])
      let id = try scene.vsctl("get Interface \(tap) external_ids:iface-id")
      #expect(id.output == "\"lsp/web-1\"\n", "\(id)")
      // It is the bridge's size.
      #expect(try scene.vsctl("get Interface \(tap) mtu").output == "1500\n")
      let inspected = try scene.daemon.netd("network", "inspect", "lan", "--json")
      #expect(inspected.output.contains("lsp/web-1"), "\(inspected)")
      #expect(try scene.daemon.netd("network", "stop", "lan").succeeded)
      #expect(try eventually { try scene.ports() == ["lan"] })
      #expect(try !scene.hostState().contains(tap))
    }

    @Test func `whatever is killed, no port stays, and a lost interface is a port again`() throws {
      try Self.requireParts()
      let scene = try BridgedScene(.openVSwitch)
      defer { scene.stop() }
      let notes = scene.daemon.home + "/_networks/lima-netd.ovs-ports"
      let (first, one) = try scene.guest("one")
      func reaches() throws -> Bool {
        try first.shell("ping -c 1 -W 1 10.44.0.1").succeeded
      }
      #expect(try reaches(), "\(one)")

      // The network's process: the supervisor holds the interface, which stays a port.
      let process = try #require(try scene.daemon.hostProcess(of: "lan"))
      kill(Int32(process), SIGKILL)
      #expect(try eventually { try reaches() }, "\(scene.daemon.log)")
      #expect(try scene.ports().sorted() == ["lan", "ln0-lan"])

      // Open vSwitch, which has the port in its database.
      scene.stopSwitch()
      try scene.startSwitch()
      #expect(try eventually { try reaches() }, "\(scene.daemon.log)")

      // The interface: another one of the name carries frames, which the port of the first would not.
      #expect(try scene.host.shell("ip link del ln0-lan").succeeded)
      #expect(try eventually { try reaches() }, "\(scene.daemon.log)")

      // The daemon: its next start removes what it left, though nobody uses the network.
      let daemon = scene.daemonProcess
      kill(daemon, SIGKILL)
      #expect(try eventually { try !scene.hostState().contains("ln0-lan") })
      #expect(try scene.ports().contains("ln0-lan"))
      #expect(try String(contentsOfFile: notes, encoding: .utf8) == "ln0-lan\n")
      // A file that somebody else wrote into removes nobody's port.
      try "lan\nln0-lan\n../x\n\u{1b}[31m\n".write(toFile: notes, atomically: true, encoding: .utf8)
      try scene.daemon.start()
      #expect(try eventually { try scene.ports() == ["lan"] }, "\(scene.daemon.log)")
      #expect(eventually { !FileManager.default.fileExists(atPath: notes) })

      // The daemon that is asked to end leaves nothing at once.
      #expect(try scene.daemon.netd("network", "start", "lan").succeeded, "\(scene.daemon.log)")
      #expect(try scene.ports().contains("ln0-lan"))
      scene.daemon.command?.stop()
      #expect(try scene.ports() == ["lan"])
      #expect(!FileManager.default.fileExists(atPath: notes))
    }

    @Test func `a port that its administrator deletes is told, and made again, each time`() throws {
      try Self.requireParts()
      let scene = try BridgedScene(.openVSwitch)
      defer { scene.stop() }
      let (first, one) = try scene.guest("one")
      func reaches() throws -> Bool {
        try first.shell("ping -c 1 -W 1 10.44.0.1").succeeded
      }
      #expect(try reaches(), "\(one)")
      for _ in 1...2 {
        let before = scene.daemon.log.count
        #expect(try scene.vsctl("del-port ln0-lan").succeeded)
        #expect(
          eventually {
            scene.daemon.log.dropFirst(before).contains(
              "its interface ln0-lan is no port of br0 any more")
          }, "\(scene.daemon.log)")
        #expect(try eventually { try reaches() }, "\(scene.daemon.log)")
        #expect(try scene.ports().sorted() == ["lan", "ln0-lan"])
      }
      // Moved in one transaction, of which the kernel tells nobody.
      let moved = try scene.vsctl(
        "add-br br1 -- set bridge br1 datapath_type=netdev -- del-port ln0-lan -- add-port br1 ln0-lan"
      )
      #expect(moved.succeeded, "\(moved)")
      #expect(
        eventually {
          scene.daemon.log.contains("ln0-lan is no port of br0 any more, but of br1")
        }, "\(scene.daemon.log)")
      #expect(try eventually { try reaches() }, "\(scene.daemon.log)")
      #expect(try scene.ports().sorted() == ["lan", "ln0-lan"])
    }

    @Test func `each thing that Open vSwitch lacks is said with the one command that mends it`()
      throws
    {
      try Self.requireParts(.nobody, .tapForAll)
      let nobody = [
        "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs",
      ]
      let scene = try BridgedScene(.openVSwitch, user: nobody)
      defer { scene.stop() }
      let home = "--lima-home \(scene.daemon.home)"
      let refused = try scene.daemon.netd("network", "start", "lan")
      #expect(refused.errors.contains("network setup lan \(home)"), "\(refused)")

      // As root, once; the user has no right to change the bridge, and needs none.
      func root(_ words: String) throws -> CommandResult {
        try scene.host.shell(
          "OVS_RUNDIR=\(scene.folder) SUDO_UID=65534 \(Installation.daemon) \(words) \(home)")
      }
      let setup = try root("network setup lan")
      #expect(setup.succeeded && setup.output.contains("ln65534-lan is set up"), "\(setup)")
      #expect(try scene.ports().sorted() == ["lan", "ln65534-lan"])
      let (first, _) = try scene.guest("one")
      #expect(try first.shell("ping -c 1 -W 5 10.44.0.1").succeeded)
      let doctor = try scene.daemon.netd("doctor", "bridged")
      #expect(doctor.output.contains("root has made its interface a port of br0"), "\(doctor)")
      for command in scene.running where command.name.contains(" attach ") { command.stop() }
      #expect(try scene.daemon.netd("network", "stop", "lan").succeeded)
      // Set up again, for a network that has another logical port now.
      try scene.daemon.write(
        configuration: BridgedScene.configuration("    options: {ifaceId: port-2}"))
      let again = try root("network setup lan")
      #expect(again.succeeded, "\(again)")
      let id = try scene.vsctl("get Interface ln65534-lan external_ids:iface-id")
      #expect(id.output == "port-2\n", "\(id)")
      let undone = try root("network unsetup lan")
      #expect(undone.succeeded, "\(undone)")
      #expect(try scene.ports() == ["lan"])
      #expect(try !scene.hostState().contains("ln65534-lan"))
    }

    @Test func `a bridge that is none, and an Open vSwitch that does not run, are told apart`()
      throws
    {
      try Self.requireParts()
      let scene = try BridgedScene(.openVSwitch, dhcp: false)
      defer { scene.stop() }
      func start(_ pause: UInt32 = 3_100_000) throws -> String {
        // What has failed is not tried again within three seconds.
        usleep(pause)
        let result = try scene.daemon.netd("network", "start", "lan")
        #expect(!result.succeeded, "\(result)")
        #expect(try !scene.hostState().contains("ln0-lan"))
        return result.errors
      }
      // A TAP of somebody else's, which looks like a bridge of the userspace datapath.
      try scene.daemon.write(
        configuration: BridgedScene.configuration().replacing("br0", with: "tap7"))
      #expect(try scene.host.shell("ip tuntap add tap7 mode tap").succeeded)
      #expect(try eventually { try start(1_100_000).contains("Open vSwitch has no bridge tap7") })
      // An id for Linux's bridge, and one that is none.
      #expect(try scene.host.shell("ip link add br7 type bridge").succeeded)
      try scene.daemon.write(
        configuration: BridgedScene.configuration("    options: {ifaceId: a}")
          .replacing("br0", with: "br7"))
      #expect(
        try eventually { try start(1_100_000).contains("ifaceId is for bridges of Open vSwitch") })
      try scene.daemon.write(
        configuration: BridgedScene.configuration("    options: {ifaceId: 'a b'}"))
      #expect(try eventually { try start(1_100_000).contains("ifaceId") })
      try scene.daemon.write(configuration: BridgedScene.configuration())

      scene.stopSwitch()
      let stopped = try start()
      #expect(stopped.contains("its database does not answer"), "\(stopped)")
      #expect(stopped.contains("sudo systemctl start openvswitch"), "\(stopped)")
      let doctor = try scene.daemon.netd("doctor", "bridged")
      #expect(doctor.output.contains("its database does not answer"), "\(doctor)")
      // And it works as soon as that runs.
      try scene.startSwitch()
      #expect(
        try eventually { try scene.daemon.netd("network", "start", "lan").succeeded },
        "\(scene.daemon.log)")
    }

    @Test func `guests of one network on two hosts that a VXLAN port joins reach each other`()
      throws
    {
      try Self.requireParts()
      let near = try BridgedScene(.openVSwitch)
      defer { near.stop() }
      let far = try BridgedScene(.openVSwitch, dhcp: false)
      defer { far.stop() }
      // The LAN between the hosts. Open vSwitch in user space sends its tunnels by a bridge of its own.
      for (scene, own, other) in [(near, 1, 2), (far, 2, 1)] {
        let made = try scene.host.shell(
          """
          set -e
          \(own == 1
            ? "ip link add under type veth peer name under netns \(far.host.processIdentifier)" : "")
          ethtool -K under tx off >/dev/null
          export OVS_RUNDIR=\(scene.folder)
          ovs-vsctl --timeout=10 add-br phy -- set bridge phy datapath_type=netdev \
            -- add-port phy under
          ip addr add 192.0.2.\(own)/24 dev phy; ip link set under up; ip link set phy up
          ip link set br0 mtu 1450
          ovs-vsctl --timeout=10 add-port br0 vx -- set Interface vx type=vxlan \
            options:remote_ip=192.0.2.\(other) options:key=7
          """)
        try #require(made.succeeded, "\(made)")
      }
      #expect(
        try eventually { try near.host.shell("ping -c 1 -W 1 192.0.2.2").succeeded })
      let (first, one) = try near.guest("one")
      // Its lease comes from the other host's LAN.
      let (second, two) = try far.guest("two")
      let there = try second.shell(
        "ping -c 2 -W 5 \(one) && curl -sS -m 10 http://\(one):8000/")
      #expect(there.output.contains("guest one"), "\(there)")
      // Smaller than the LAN's, as the tunnel wants it.
      #expect(try far.vsctl("get Interface ln0-lan mtu").output == "1450\n")
      let back = try first.shell("ping -c 2 -W 5 \(two) && curl -sS -m 10 http://\(two):8000/")
      #expect(back.output.contains("guest two"), "\(back)")
    }
  }
}

extension BridgedScene {
  /// The daemon's own process, behind what brings it into the namespace.
  var daemonProcess: Int32 {
    let text = try? String(
      contentsOfFile: daemon.home + "/_networks/lima-netd.pid", encoding: .utf8)
    return Int32(text?.trimmingCharacters(in: .whitespacesAndNewlines) ?? "") ?? .max
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// `lima-netd tap` around the virtual machine: descriptors, exit statuses, and daemons that come and go. What a machine
// does with the TAP is in HostTapMachineTests.

import Foundation
import Testing

extension EndToEnd {
  @Suite struct TapCommandTests {
    @Test func `the command gets its TAPs as the descriptors asked for, and its status comes back`()
      throws
    {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let both = try daemon.netd(
        "tap", "default", "--", Installation.daemon, "tap", "user-v2", "--fd", "4", "--", "sh",
        "-c", "readlink /proc/self/fd/3 /proc/self/fd/4; exit 42")
      #expect(both.output.components(separatedBy: "/net/tun").count == 3, "\(both)")
      #expect(both.status == 42, "\(both)")
      let none = try daemon.netd("tap", "default", "--", "no-such-program")
      #expect(none.status == 127 && none.errors.contains("no such command"), "\(none)")
      let nowhere = try daemon.netd("tap", "nope", "--", "true")
      #expect(nowhere.status == 125 && nowhere.errors.contains("no network `nope`"), "\(nowhere)")
    }

    /// A machine that takes an address as `quiet`, answers ARP, and says nothing else.
    private static let machine = """
      import fcntl, os, select, socket, struct
      size, = struct.unpack("i", fcntl.ioctl(3, 0x800454d7, bytes(4)))  # TUNGETVNETHDRSZ
      mac, everybody, own = bytes.fromhex("525555000002"), b"\\xff" * 6, None
      def send(to, kind, body): os.write(3, bytes(size) + to + mac + kind + body)
      def checksum(data):
          total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
          total = (total >> 16) + (total & 0xffff)
          return ~(total + (total >> 16)) & 0xffff
      def dhcp(kind, options=b""):
          body = struct.pack("!BBBBIHH16s16s192sI", 1, 1, 6, 0, 7, 0, 0x8000, b"", mac, b"", 0x63825363)
          body += bytes([53, 1, kind, 12, 5]) + b"quiet" + options + b"\\xff"
          udp = struct.pack("!HHHH", 68, 67, 8 + len(body), 0) + body
          ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\\xff" * 4)
          send(everybody, b"\\x08\\x00", ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp)
      def option(data, wanted):
          while data and data[0] != 255:
              if data[0] == wanted: return data[2:2 + data[1]]
              data = data[2 + data[1]:]
      while True:
          if not select.select([3], [], [], 1)[0]:
              if own is None: dhcp(1)
              continue
          frame = os.read(3, 70000)[size:]
          if frame[12:14] == b"\\x08\\x06" and frame[21] == 1 and frame[38:42] == own:
              arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + mac + own + frame[22:32]
              send(frame[6:12], b"\\x08\\x06", arp)
          if own is None and frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[36:38] == b"\\x00\\x44":
              address, options = frame[58:62], frame[282:]
              kind = option(options, 53)[0]
              if kind == 2: dhcp(3, b"\\x32\\x04" + address + b"\\x36\\x04" + option(options, 54))
              if kind == 5:
                  own = address
                  print("bound", socket.inet_ntoa(own), flush=True)
      """

    @Test
    func `a quiet machine is the only station behind its link, and keeps its names over a restart`()
      throws
    {
      try require(.tap, .program("python3"))
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      func boot(_ network: String) throws -> RunningCommand {
        try daemon.begin("tap", network, "--name", "vm", "--", "python3", "-uc", Self.machine)
      }
      let machine = try boot("user-v2")
      defer { machine.stop() }
      #expect(eventually(within: 20) { machine.output.contains("bound 192.168.104.") })
      func macs() throws -> [String] {
        let told = try daemon.netd("guest", "inspect", "user-v2", "vm", "--json").output
        let guest = try JSONSerialization.jsonObject(with: Data(told.utf8)) as? [String: Any]
        return guest?["macs"] as? [String] ?? []
      }
      func isKnown() throws -> Bool {
        try daemon.netd("dns", "query", "quiet.internal", "--network", "user-v2").output
          .contains("192.168.104.")
      }
      #expect(try eventually { try isKnown() })
      #expect(try macs() == ["52:55:55:00:00:02"])

      // A forward to the name that the machine gives itself, where all have one address.
      let alone = try boot("default")
      defer { alone.stop() }
      let added = try daemon.netd(
        "forward", "add", "default", "tcp", "0", "--guest", "quiet", "192.168.5.15:80")
      #expect(added.succeeded, "\(added)")
      #expect(eventually(within: 20) { alone.output.contains("bound 192.168.5.15") })
      #expect(
        try eventually { try !daemon.netd("forward", "ls").output.contains("no guest quiet") })

      daemon.command?.stop()
      try daemon.start()
      #expect(eventually(within: 20) { machine.errors.contains("back on network user-v2") })
      #expect(try eventually(within: 20) { try isKnown() }, "\(machine.errors)")
      #expect(try macs() == ["52:55:55:00:00:02"])
    }

    @Test func `a daemon that is started anew takes the TAP back`() throws {
      try require(.tap)
      let daemon = try TestDaemon()
      defer { daemon.stop() }
      let machine = try daemon.begin(
        "tap", "default", "--", "sh", "-c", "echo runs; exec sleep 60")
      defer { machine.stop() }
      func guests() throws -> Int {
        (try daemon.network("default")["guests"] as? [Any])?.count ?? 0
      }
      // The daemon lists it before it answers.
      #expect(eventually { machine.output.contains("runs") }, "\(machine.errors)")
      #expect(try guests() == 1)
      daemon.command?.stop()
      try daemon.start()
      #expect(try eventually { try guests() == 1 }, "\(machine.errors)\n\(daemon.log)")
      #expect(
        eventually { machine.errors.contains("back on network default") }, "\(machine.errors)")
    }
  }
}

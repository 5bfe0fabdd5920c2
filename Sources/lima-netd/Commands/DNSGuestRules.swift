// SPDX-License-Identifier: Apache-2.0
//
// dns guest-rules: prints commands for a guest that redirect its DNS server's address to a resolver on the host.

import ArgumentParser
import Daemon
import DNSMessage

struct DNSGuestRules: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "guest-rules",
    abstract: "Print the commands that lead a guest's DNS to a resolver on the host.",
    discussion: """
      For a guest on QEMU's own user networking, whose DNS server 192.168.5.3 and host 192.168.5.2 are Lima's: its \
      questions go to the ports of `dns serve`. Run them in the guest as root; again and again does no harm, and \
      other ports replace those before.

        lima-netd dns guest-rules --port 41234
        lima-netd dns guest-rules --udp 41234 --tcp 37651 --format nft
        ssh guest sudo sh < <(lima-netd dns guest-rules --port 41234)

      iptables: a chain LIMADNS of the table nat, the first that PREROUTING and OUTPUT jump to. nft: a table \
      ip lima-dns of its own. Neither touches other rules.
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable {
    case iptables, nft
  }

  @Option(help: ArgumentHelp("The resolver's port, for UDP and TCP.", valueName: "port"))
  var port: UInt16?
  @Option(
    name: .customLong("udp"),
    help: ArgumentHelp("The resolver's UDP port, if it is another.", valueName: "port"))
  var udpPort: UInt16?
  @Option(
    name: .customLong("tcp"),
    help: ArgumentHelp("The resolver's TCP port, if it is another.", valueName: "port"))
  var tcpPort: UInt16?
  @Option(help: "iptables or nft.")
  var format = Format.iptables
  @Option(
    help: ArgumentHelp("The DNS server the guest is configured with.", valueName: "address"))
  var server = "192.168.5.3"
  @Option(
    help: ArgumentHelp("Where the guest reaches the host's loopback.", valueName: "address"))
  var gateway = "192.168.5.2"

  @OptionGroup var listing: ListingOptions

  // `validate` has checked that one of them is set.
  private var udp: UInt16 { udpPort ?? port ?? 0 }
  private var tcp: UInt16 { tcpPort ?? port ?? 0 }

  func validate() throws {
    guard udpPort ?? port != nil, tcpPort ?? port != nil else {
      throw ValidationError("Where does the resolver listen? Give --port, or --udp and --tcp.")
    }
    guard udp > 0, tcp > 0 else { throw ValidationError("Ports are 1 to 65535.") }
    for address in [server, gateway] {
      guard case .v4? = DNSAddress(address) else {
        throw ValidationError("\(address): not an IPv4 address.")
      }
    }
  }

  func run() throws {
    let script = format == .nft ? nft : iptables
    try listing.show(
      Rules(
        format: format.rawValue, server: server, gateway: gateway, udp: udp, tcp: tcp,
        script: script)
    ) { script }
  }

  private struct Rules: Encodable {
    let format: String
    let server: String
    let gateway: String
    let udp: UInt16
    let tcp: UInt16
    /// For a root shell in the guest.
    let script: String
  }

  var iptables: String {
    let rules = [("udp", udp), ("tcp", tcp)].map { transport, port in
      "iptables -w -t nat -A LIMADNS -d \(server)/32 -p \(transport) --dport 53 "
        + "-j DNAT --to-destination \(gateway):\(port)"
    }
    let jumps = ["PREROUTING", "OUTPUT"].map { chain in
      "iptables -w -t nat -C \(chain) -j LIMADNS 2>/dev/null || "
        + "iptables -w -t nat -I \(chain) 1 -j LIMADNS"
    }
    return
      (["iptables -w -t nat -N LIMADNS 2>/dev/null || iptables -w -t nat -F LIMADNS"] + rules
      + jumps).joined(separator: "\n")
  }

  // The table is created and deleted before it is created again, so that it may exist; all in one transaction.
  var nft: String {
    """
    nft -f - <<'RULES'
    table ip lima-dns
    delete table ip lima-dns
    table ip lima-dns {
      chain LIMADNS {
        ip daddr \(server) udp dport 53 dnat to \(gateway):\(udp)
        ip daddr \(server) tcp dport 53 dnat to \(gateway):\(tcp)
      }
      chain prerouting {
        type nat hook prerouting priority -101; policy accept;
        jump LIMADNS
      }
      chain output {
        type nat hook output priority -101; policy accept;
        jump LIMADNS
      }
    }
    RULES
    """
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// GuestText: text about guests for users.

import Daemon
import Platform

enum GuestText {
  /// Within 80 columns: host names replace the column of the link's kind if they differ from the guests' names, and the
  /// column of drops exists only if there are any.
  static func table(_ guests: [GuestDetail]) -> String {
    let hasHostnames = guests.contains { ($0.hostname ?? "") != "" && $0.hostname != $0.name }
    let hasDrops = guests.contains { ($0.drops ?? 0) > 0 }
    var table =
      hasHostnames
      ? Table(
        ["NETWORK", "GUEST", "HOSTNAME", "ADDRESS", "MAC", "SENT", "GOT"]
          + (hasDrops ? ["DROPS"] : []))
      : Table("NETWORK", "GUEST", "ADDRESS", "MAC", "LINK", "SENT", "GOT", "DROPS")
    for guest in guests {
      let (sent, got) = (
        guest.fromGuest.map { size($0.bytes) }, guest.toGuest.map { size($0.bytes) }
      )
      let drops = guest.drops.map(String.init)
      if hasHostnames {
        let cells = [
          guest.network, guest.name, guest.hostname, list(guest.addresses), list(guest.macs), sent,
          got,
        ]
        table.add(cells + (hasDrops ? [drops] : []))
      } else {
        table.add(
          guest.network, guest.name, list(guest.addresses), list(guest.macs), guest.transport, sent,
          got, drops)
      }
    }
    return table.isEmpty ? "No guests." : table.text
  }

  static func details(_ guest: GuestDetail) -> String {
    var lines = [
      "\(Paragraph.printable(guest.name)) of \(guest.network), guest \(guest.id)"
    ]
    func add(_ key: String, _ value: String?) {
      guard let value, !value.isEmpty else { return }
      lines.append(
        "  " + key + String(repeating: " ", count: max(1, 11 - key.count))
          + Paragraph.printable(value))
    }
    add("hostname", guest.hostname)
    add("addresses", guest.addresses.joined(separator: ", "))
    add("mac", guest.macs.joined(separator: ", "))
    add("link", guest.transport + (guest.mtu.map { ", MTU \($0)" } ?? ""))
    add("since", guest.since)
    add("sent", guest.fromGuest.map(traffic))
    add("got", guest.toGuest.map(traffic))
    add("drops", guest.drops.map(String.init))
    for (reason, count) in (guest.reasons ?? [:]).sorted(by: { $0.key < $1.key }) {
      add("", "\(count) \(words(reason))")
    }
    return lines.joined(separator: "\n")
  }

  /// The first, and the number of others.
  private static func list(_ words: [String]) -> String? {
    words.first.map { $0 + (words.count > 1 ? " +\(words.count - 1)" : "") }
  }

  private static func traffic(_ traffic: GuestDetail.Traffic) -> String {
    "\(size(traffic.bytes)) in \(Plural.text(Int(clamping: traffic.frames), "frame"))"
  }

  /// "1.5 MB", with decimal prefixes.
  static func size(_ bytes: UInt64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"]
    var (value, unit) = (bytes, 0)
    var tenths: UInt64 = 0
    while value >= 1000, unit < units.count - 1 {
      tenths = value % 1000 / 100
      value /= 1000
      unit += 1
    }
    return unit > 0 && value < 10 ? "\(value).\(tenths) \(units[unit])" : "\(value) \(units[unit])"
  }

  /// Text of a reason in PortStatus.counters.
  private static func words(_ reason: String) -> String {
    switch reason {
    case "rxRunt": "from the guest, shorter than an Ethernet header"
    case "rxOversize": "from the guest, longer than a frame may be"
    case "rxMalformed": "from the guest, with offload fields that contradict the frame"
    case "txMalformed": "for the guest, that made no sense"
    case "txQueueFull": "for the guest, more than its queue takes: it reads too slowly"
    case "txRefused": "for the guest, refused by the kernel: its link is down, or the frame too big"
    case "txEnded": "for the guest, after its link had ended"
    case "txBlocked": "times its link was full and senders waited (no drop)"
    case "rxLimited": "from the guest, beyond its limit"
    case "rxPaused": "times it waited to send, by its limit (no drop)"
    case "txPaused": "times senders to it waited, by its limit (no drop)"
    case "txSegmented": "super-frames cut for it in software (no drop)"
    case "spoofed": "from the guest, with an Ethernet address that is another's"
    case "arpSpoofed": "from the guest, ARP that claims an address that is another's"
    case "ipSpoofed": "from the guest, with an IP address that is another's"
    case "ipOutside": "from the guest, with an IP address that is none of the network's"
    case "floodsLimited": "of its frames to all, beyond its limit: no other guest got them"
    case "dhcpServers": "from the guest, answers of a DHCP server, which it is not"
    case "ipv6Routers": "from the guest, words of an IPv6 router, which it is not"
    case "filtered": "from the guest, from a group's address or of a link-local protocol"
    default: reason
    }
  }
}

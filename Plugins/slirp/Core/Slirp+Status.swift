// SPDX-License-Identifier: Apache-2.0
//
// What `lima-netd status` shows of a slirp network.

import LimaNetdSDK
import NetStack

extension Slirp {
  /// Addresses, guests and counters; counters since the network started.
  var statusReport: JSONValue {
    [
      "gateway": .string(options.gateway.description),
      "address": .string(options.address.description),
      "dns": .string(options.dns.description),
      "hostLoopback": .bool(options.hostLoopback),
      "guests": .array(stack.allLinks.map(guest)),
      "tcp": tcp,
      "udp": udp,
      "icmp": icmp,
      "dnsIntercept": dns,
      "dhcp": [
        "received": JSONValue(stack.udp.dhcp?.received ?? 0),
        "sent": JSONValue(stack.udp.dhcp?.sent ?? 0),
      ],
      "forwards": [
        "listening": JSONValue(stack.forwards.all.count),
        "accepted": JSONValue(stack.forwards.accepted),
        "turnedAway": JSONValue(stack.forwards.turnedAway),
      ],
      "buffers": [
        "usedBytes": JSONValue(stack.chunks.used * ChunkPool.chunkSize),
        "limitBytes": JSONValue(stack.chunks.capacity * ChunkPool.chunkSize),
      ],
    ]
  }

  private func guest(_ link: UInt32) -> JSONValue {
    let state = stack.links.pointer(link).pointee
    let counters = state.counters
    return [
      "name": .string(stack.services(of: link)?.name ?? ""),
      "mac": .string(state.guestMAC.description),
      "address": state.guestAddress.isUnspecified ? nil : .string(state.guestAddress.description),
      "mtu": JSONValue(state.mtu),
      "receivedFrames": JSONValue(counters.receivedFrames),
      "receivedBytes": JSONValue(counters.receivedBytes),
      "sentFrames": JSONValue(counters.sentFrames),
      "sentBytes": JSONValue(counters.sentBytes),
      "malformed": JSONValue(counters.malformed),
      "ignored": JSONValue(counters.ignored),
      "sendDrops": JSONValue(counters.sendDrops),
    ]
  }

  private var tcp: JSONValue {
    let counters = stack.tcp.counters
    return [
      "flows": JSONValue(stack.tcp.flowCount),
      "opened": JSONValue(counters.opened),
      "openedTowardGuests": JSONValue(counters.openedTowardGuest),
      "bytesFromGuests": JSONValue(counters.bytesToHost),
      "bytesToGuests": JSONValue(counters.bytesToGuest),
      "refused": JSONValue(counters.refused),
      "unreachable": JSONValue(counters.unreachable),
      "resetByGuests": JSONValue(counters.resetByGuest),
      "resetByHosts": JSONValue(counters.resetByHost),
      "timedOut": JSONValue(counters.timedOut),
      "evicted": JSONValue(counters.evicted),
      "outOfOrder": JSONValue(counters.outOfOrder),
      "retransmits": JSONValue(counters.retransmits),
      "timeouts": JSONValue(counters.timeouts),
      "tailProbes": JSONValue(counters.tailProbes),
      "badChecksums": JSONValue(counters.badChecksums),
      "storeExhausted": JSONValue(counters.storeExhausted),
    ]
  }

  private var udp: JSONValue {
    let counters = stack.udp.counters
    return [
      "flows": JSONValue(stack.udp.flowCount),
      "fromGuests": JSONValue(counters.guestDatagrams),
      "toGuests": JSONValue(counters.hostDatagrams),
      "filtered": JSONValue(counters.filtered),
      "evicted": JSONValue(counters.evicted),
      "refused": JSONValue(counters.refused),
      "dropped": JSONValue(counters.dropped),
      "errors": JSONValue(counters.errors),
    ]
  }

  private var icmp: JSONValue {
    let counters = stack.icmp.counters
    return [
      "flows": JSONValue(stack.icmp.flowCount),
      "gatewayEchoes": JSONValue(counters.gatewayEchoes),
      "requests": JSONValue(counters.requests),
      "replies": JSONValue(counters.replies),
      "errors": JSONValue(counters.errors),
      "refused": JSONValue(counters.refused),
    ]
  }

  private var dns: JSONValue {
    let counters = stack.dns.counters
    return [
      "pending": JSONValue(stack.dns.pending),
      "datagrams": JSONValue(counters.datagrams),
      "streams": JSONValue(counters.streams),
      "streamMessages": JSONValue(counters.streamMessages),
      "answers": JSONValue(counters.answers),
      "dropped": JSONValue(counters.dropped),
    ]
  }
}

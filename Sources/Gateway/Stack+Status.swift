// SPDX-License-Identifier: Apache-2.0
//
// Members of `lima-netd status` for a gateway: current flows, and counters since the start.

import LimaNetdSDK
import NetStack

extension Stack {
  /// Members of a plugin's status: engines, forwards, memory.
  package var statusMembers: JSONObject {
    [
      "tcp": tcpStatus,
      "udp": udpStatus,
      "icmp": icmpStatus,
      "dnsIntercept": dnsStatus,
      "egress": egressStatus,
      "dhcp":
        [
          "received": JSONValue(udp.dhcp?.received ?? 0),
          "sent": JSONValue(udp.dhcp?.sent ?? 0),
          "exhausted": JSONValue(udp.dhcp?.exhausted ?? 0),
        ],
      "forwards":
        [
          "listening": JSONValue(forwards.all.count),
          "accepted": JSONValue(forwards.accepted),
          "turnedAway": JSONValue(forwards.turnedAway),
          "descriptors": JSONValue(forwards.sockets),
          "descriptorLimit": JSONValue(forwards.socketLimit),
        ],
      "buffers":
        [
          "usedBytes": JSONValue(chunks.used * ChunkPool.chunkSize),
          "limitBytes": JSONValue(chunks.capacity * ChunkPool.chunkSize),
        ],
    ]
  }

  /// Members for a link.
  package func linkMembers(_ link: UInt32) -> JSONObject {
    let counters = links.pointer(link).pointee.counters
    return [
      "receivedFrames": JSONValue(counters.receivedFrames),
      "receivedBytes": JSONValue(counters.receivedBytes),
      "sentFrames": JSONValue(counters.sentFrames),
      "sentBytes": JSONValue(counters.sentBytes),
      "malformed": JSONValue(counters.malformed),
      "ignored": JSONValue(counters.ignored),
      "spoofed": JSONValue(counters.spoofed),
      "sendDrops": JSONValue(counters.sendDrops),
    ]
  }

  /// Denied flows, the latest last, with their age in seconds.
  private var egressStatus: JSONValue {
    let egress = core.egress
    return [
      "denied": JSONValue(egress.log.total),
      "ended": JSONValue(egress.log.ended),
      "last": .array(
        egress.log.entries.map { entry in
          [
            "guest": .string(entry.guest.description),
            "mac": .string(entry.mac.description),
            "name": .string(entry.name),
            "protocol": .string(entry.question.protocolName),
            "destination": .string(entry.question.text),
            "reason": .string(entry.reason.text),
            "count": JSONValue(entry.count),
            "ended": JSONValue(entry.ended),
            "secondsAgo": JSONValue((core.now &- min(entry.last, core.now)) / 1_000_000_000),
          ]
        }),
    ]
  }

  private var tcpStatus: JSONValue {
    let counters = tcp.counters
    return [
      "flows": JSONValue(tcp.flowCount),
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
      "congestion": .string(core.config.congestion.rawValue),
      "lossRecoveries": JSONValue(counters.lossRecoveries),
      "timeouts": JSONValue(counters.timeouts),
      "spuriousTimeouts": JSONValue(counters.spuriousTimeouts),
      "tailProbes": JSONValue(counters.tailProbes),
      "badChecksums": JSONValue(counters.badChecksums),
      "storeExhausted": JSONValue(counters.storeExhausted),
    ]
  }

  private var udpStatus: JSONValue {
    let counters = udp.counters
    return [
      "flows": JSONValue(udp.flowCount),
      "fromGuests": JSONValue(counters.guestDatagrams),
      "toGuests": JSONValue(counters.hostDatagrams),
      "filtered": JSONValue(counters.filtered),
      "evicted": JSONValue(counters.evicted),
      "refused": JSONValue(counters.refused),
      "dropped": JSONValue(counters.dropped),
      "errors": JSONValue(counters.errors),
    ]
  }

  private var icmpStatus: JSONValue {
    let counters = icmp.counters
    return [
      "flows": JSONValue(icmp.flowCount),
      "gatewayEchoes": JSONValue(counters.gatewayEchoes),
      "requests": JSONValue(counters.requests),
      "replies": JSONValue(counters.replies),
      "errors": JSONValue(counters.errors),
      "refused": JSONValue(counters.refused),
    ]
  }

  private var dnsStatus: JSONValue {
    let counters = dns.counters
    return [
      "pending": JSONValue(dns.pending),
      "datagrams": JSONValue(counters.datagrams),
      "streams": JSONValue(counters.streams),
      "streamMessages": JSONValue(counters.streamMessages),
      "answers": JSONValue(counters.answers),
      "dropped": JSONValue(counters.dropped),
    ]
  }
}

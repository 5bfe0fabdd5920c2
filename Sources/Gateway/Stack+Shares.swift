// SPDX-License-Identifier: Apache-2.0
//
// Members of `lima-netd status` for each guest's share: what it holds and what it was refused.

import LimaNetdSDK
import NetStack
import Wire

extension Stack {
  /// The share of the guest of an isolated network's link.
  package func shareMembers(ofGuestAt link: UInt32) -> JSONValue {
    let shares = core.shares
    return .object(members(shares.pointer(shares.of(link, .zero)).pointee))
  }

  /// Shares of all guests of a switch that hold something or were refused something.
  /// - Parameter name: the name of the guest that a station belongs to, or "".
  package func shareList(_ name: (MACAddress) -> String) -> JSONValue {
    let shares = core.shares
    var list: [JSONValue] = []
    shares.forEach { index in
      let share = shares.pointer(index).pointee
      guard !share.isIdle || share.counters != ShareCounters() else { return }
      let own = index == 0 ? "others" : name(share.station)
      list.append(
        .object(
          [
            "name": .string(own.isEmpty ? share.station.description : own),
            "mac": index == 0 ? .null : .string(share.station.description),
          ] + members(share)))
    }
    return .array(list)
  }

  private func members(_ share: Share) -> JSONObject {
    [
      "connections": JSONValue(share.flows),
      "halfOpen": JSONValue(share.halfOpen),
      "bufferBytes": JSONValue(Int(share.chunks) * ChunkPool.chunkSize),
      "udpPorts": JSONValue(share.datagramFlows),
      "udpPeers": JSONValue(share.peers),
      "pings": JSONValue(share.pings),
      "dnsQuestions": JSONValue(share.questions),
      "dnsConnections": JSONValue(share.streams),
      "fragmentBytes": JSONValue(share.fragmentBytes),
      "descriptors": JSONValue(share.descriptors),
      "waiting": JSONValue(share.waiting),
      "evicted": JSONValue(share.counters.evicted),
      "refused": JSONValue(share.counters.refused),
      "delayed": JSONValue(share.counters.delayed),
      "dropped": JSONValue(share.counters.dropped),
      "flowsLimited": JSONValue(share.counters.flowsLimited),
      "connectionsLimited": JSONValue(share.counters.connectionsLimited),
      "questionsRefused": JSONValue(share.counters.questionsRefused),
      "errorsWithheld": JSONValue(share.counters.errorsWithheld),
    ]
  }
}

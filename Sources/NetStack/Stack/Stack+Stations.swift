// SPDX-License-Identifier: Apache-2.0
//
// The departure of stations behind a link that stays up: guests of a switch that left. Their flows, the packets that
// wait to begin one, incomplete datagrams and neighbor entries are removed, as when a link goes down. Nothing is sent to
// them any more.

import Wire

extension Stack {
  /// Stations have left a port. Their peers on the host's side get a reset, unless the guest had finished and only
  /// its last bytes are still being sent.
  package func stationsDown(_ stations: [MACAddress], port: PortID) {
    let link = core.link(of: port)
    guard link != 0, !stations.isEmpty else { return }
    core.now = core.host.nowNanoseconds()
    tcp.flush()
    let gone = Set(stations)
    let addresses = core.forgetNeighbors(gone, on: link)
    var departure = Departure()
    tcp.stationsDown(gone, on: link, &departure)
    udp.stationsDown(gone, on: link, &departure)
    icmp.pings.stationsDown(gone, on: link, &departure)
    dns.stationsDown(gone, on: link)
    core.ndp?.stationsDown(gone, on: link)
    forwards.stationsDown(addresses, on: link)
    core.newFlows.stationsDown(gone, on: link)
    endReassembly(of: gone, on: link)
    endOfIteration()
  }
}

// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform

extension Uplink {
  /// Why the network cannot go on with another supervisor; nil: it can.
  var handoverObstacle: String? {
    if case .cards = way {
      return "its guests are on a network card (macvtap), which is not handed over: "
        + "lima-netd network stop \(core.name)"
    }
    return nil
  }

  func hand(_ list: DescriptorList) -> UplinkState? {
    switch way {
    case .none, .cards: return nil
    case .tap(let tap, _):
      return .tap(
        UplinkState.Tap(
          fd: list.give(tap.fd), spec: tap.spec, request: tap.request, address6: tap.address6,
          hasPort: tap.port != nil, isOnSwitch: tap.isOnSwitch))
    case .peer(let peer): return .peer(peer.handed)
    }
  }

  func resume(_ state: UplinkState, link: HostLink?) {
    switch state {
    case .tap(let state):
      let tap = HeldTap(
        fd: state.fd, spec: state.spec, request: state.request, address6: state.address6)
      if state.hasPort { tap.port = makers.taps.ports.resume(state.spec.name) }
      tap.isOnSwitch = state.isOnSwitch
      way = .tap(tap, trouble: nil)
      watchInterfaces()
      guard link != nil else { return }
      // What happened meanwhile is told by nobody.
      core.loop.later { [weak self] in
        self?.lookAtTap()
        self?.watchSwitch()
      }
    case .peer(let state):
      keepPeer(state.socket)
      guard case .peer(let peer) = way else { return }
      peer.resume(state, link.map { link in { Self.hand(to: link, $0, $1, $2) } })
    }
  }
}

extension PeerUplink {
  var handed: UplinkState.Peer {
    UplinkState.Peer(
      socket: socket, port: port, isTaken: isTaken, connectedAt: connectedAt, since: since,
      error: error, connections: connections, losses: losses)
  }

  /// - Parameter hand: of the process that has the connection, or takes the next; nil: none runs.
  func resume(_ state: UplinkState.Peer, _ hand: Hand?) {
    (error, connections, losses) = (state.error, state.connections, state.losses)
    guard let hand else { return }
    self.hand = hand
    guard state.isTaken else { return attempt() }
    (port, isTaken, connectedAt, since) = (state.port, true, state.connectedAt, state.since)
  }
}

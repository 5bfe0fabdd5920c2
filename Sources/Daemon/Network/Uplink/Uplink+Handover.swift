// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform

extension Uplink {
  /// What an upgrade has to wait for; nil: nothing.
  var handoverObstacle: String? {
    if case .cards(let cards) = way, cards.isObtaining { return "a guest's macvtap is being made" }
    return nil
  }

  func hand(_ list: DescriptorList) -> UplinkState? {
    switch way {
    case .none: return nil
    case .tap(let tap, _): return .tap(tap.hand(list))
    case .cards(let cards): return .cards(cards.handed(list))
    case .peer(let peer): return .peer(peer.handed)
    }
  }

  func resume(_ state: UplinkState, link: HostLink?) {
    switch state {
    case .tap(let state):
      let tap = HeldTap(state)
      if state.hasPort { tap.port = makers.taps.ports.resume(state.spec.name) }
      way = .tap(tap, trouble: nil)
      watchInterfaces()
      guard link != nil else { return }
      // What happened meanwhile is told by nobody.
      core.loop.later { [weak self] in
        self?.lookAtTap()
        self?.watchSwitch()
      }
    case .cards(let state):
      let cards = GuestCards(resuming: state, layers: cardLayers)
      way = .cards(cards)
      watchInterfaces()
      guard let link else { return }
      cards.resume { [core] in Self.hand(to: link, core, $0, $1, $2) }
      core.loop.later { [weak cards] in cards?.look() }
    case .peer(let state):
      keepPeer(state.socket)
      guard case .peer(let peer) = way else { return }
      peer.resume(state, link.map { [core] link in { Self.hand(to: link, core, $0, $1, $2) } })
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

// SPDX-License-Identifier: Apache-2.0

import Platform

extension HeldTap {
  func hand(_ list: DescriptorList) -> UplinkState.Tap {
    UplinkState.Tap(
      fd: list.give(fd), spec: spec, request: request, address6: address6, hasPort: port != nil,
      isOnSwitch: isOnSwitch, isCard: isCard)
  }

  /// Takes over the descriptor.
  convenience init(_ state: UplinkState.Tap) {
    self.init(
      fd: state.fd, spec: state.spec, request: state.request, isCard: state.isCard,
      address6: state.address6)
    isOnSwitch = state.isOnSwitch
  }
}

extension GuestCards {
  /// One is being made.
  var isObtaining: Bool { running > 0 }

  func handed(_ list: DescriptorList) -> UplinkState.Cards {
    UplinkState.Cards(
      request: request, name: name, mtu: mtu, trouble: trouble, spare: spare?.hand(list),
      guests: cards.sorted { $0.key < $1.key }.map { guest, card in
        UplinkState.Cards.Guest(
          id: guest, held: card.held?.hand(list), port: card.port, takenAt: card.takenAt)
      })
  }
}

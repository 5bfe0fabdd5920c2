// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform

extension GuestRegistry {
  func hand(_ list: DescriptorList) -> GuestsState {
    GuestsState(
      journal: (journal?.fd).map { list.give($0) },
      links: all.map { guest in
        GuestsState.Link(
          id: guest.id, name: guest.name, transport: guest.transport, mac: guest.mac,
          mtu: guest.mtu, vnetHeader: guest.vnetHeader, since: guest.since,
          journalSlot: guest.journalSlot, fd: list.give(guest.fd), introduced: guest.introduced,
          hasLease: guest.hasLease)
      },
      unixgram: unixgramGuests,
      addresses: unixgramAddresses.sorted { $0.key < $1.key }.map {
        GuestsState.Address(id: $0.key, address: $0.value)
      },
      givenNames: givenNames)
  }

  /// Of a registry that has nobody.
  func resume(_ state: GuestsState) {
    journal = state.journal.map { fd in
      JournalSlots(fd: fd, taken: Set(state.links.map(\.journalSlot).filter { $0 >= 0 }))
    }
    for link in state.links {
      let guest = Guest(
        id: link.id, name: link.name, transport: link.transport, fd: link.fd, mac: link.mac,
        mtu: link.mtu, vnetHeader: link.vnetHeader, journalSlot: link.journalSlot,
        since: link.since)
      guest.introduced = link.introduced
      guest.hasLease = link.hasLease
      insert(guest)
    }
    unixgram = Dictionary(state.unixgram.map { ($0.id, $0) }) { first, _ in first }
    unixgramAddresses = Dictionary(state.addresses.map { ($0.id, $0.address) }) { one, _ in one }
    givenNames = state.givenNames
  }
}

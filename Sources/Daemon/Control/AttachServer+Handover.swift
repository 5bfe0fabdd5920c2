// SPDX-License-Identifier: Apache-2.0
//
// Connections of `exec`, `attach` and `tap`, handed over: nobody at their other ends notices.

import HostProtocol
import Platform

extension AttachServer {
  func pause(_ isPaused: Bool) { acceptor?.pause(isPaused) }

  /// Guests that are not told yet what they configure.
  var hasPending: Bool {
    clients.values.contains { $0.asked && !$0.isAttached || !$0.channel.isQuiet }
  }

  func handSocket(_ list: DescriptorList) -> HandedSockets.Entry? { acceptor?.hand(list) }

  func hand(_ list: DescriptorList) -> [AttachClientState] {
    clients.values.map { client in
      AttachClientState(
        channel: list.give(client.channel.fd), unread: client.channel.unread,
        network: client.guest?.network.name, guest: client.guest?.id,
        forwardOwner: client.forwardOwner, asked: client.asked, isAttached: client.isAttached)
    }
  }

  /// Guests whose answer hangs have to come again.
  func disappoint() {
    for client in Array(clients.values) where client.asked && !client.isAttached {
      end(client, "the daemon is being upgraded")
    }
  }

  /// After the networks have their guests.
  func resume(_ states: [AttachClientState], network: (String) -> Network?) {
    for state in states {
      guard let channel = try? MessageChannel(fd: state.channel, unread: state.unread) else {
        Descriptor.close(state.channel)
        continue
      }
      let client = Client(channel)
      client.asked = state.asked
      client.isAttached = state.isAttached
      client.forwardOwner = state.forwardOwner
      let place = state.network.flatMap(network)
      if let place, let id = state.guest {
        client.guest = (place, id)
        place.guests[id]?.onGone = farewell(to: client, from: place)
      }
      begin(client)
      // It had gone with its network while nobody listened.
      if state.asked, place.flatMap({ there in state.guest.flatMap { there.guests[$0] } }) == nil {
        end(client, "its network is gone", saying: .networkRemoved)
      }
    }
  }
}

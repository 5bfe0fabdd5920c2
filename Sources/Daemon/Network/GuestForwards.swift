// SPDX-License-Identifier: Apache-2.0
//
// GuestForwards: the forwards that a guest brings along (`exec -p`): open one after the other before it hears that it is
// attached, and gone with it.
// Loop thread.

import HostProtocol

struct GuestForwards {
  let network: Network
  /// In the network's books; no other guest's.
  let owner: String
  /// The guest's.
  let name: String
  let lease: LeaseOffer?

  static let maximum = 64

  /// - Parameters:
  ///   - wanted: `guest` is a port.
  ///   - mayWait: those that cannot be open now are opened when they can; else none stays when one of them cannot.
  /// - Returns: all of them as they are now.
  func open(_ wanted: [Forward], mayWait: Bool) async throws(ErrorReport) -> [Forward] {
    guard wanted.count <= Self.maximum else {
      throw ErrorReport(.limit, "a guest brings at most \(Self.maximum) forwards along")
    }
    guard let lease else {
      throw ErrorReport(
        .unsupported,
        "network \(network.name) gives the guest no address that a forward could lead to")
    }
    let addressed = wanted.map { forward in
      var forward = forward
      let host = lease.address.contains(":") ? "[\(lease.address)]" : lease.address
      forward.guest = "\(host):\(forward.guest ?? "")"
      forward.guestName = network.isIsolated ? name : ""
      return forward.canonical
    }
    if mayWait {
      network.forwards.set(addressed, of: owner)
      return network.forwards.listed(of: owner)
    }
    var opened: [Forward] = []
    do throws(ErrorReport) {
      for forward in addressed {
        opened.append(try await network.forwards.add(forward))
        network.forwards.give(opened[opened.count - 1], to: owner)
      }
    } catch {
      close()
      throw error
    }
    return opened
  }

  func close() { network.forwards.set([], of: owner) }
}

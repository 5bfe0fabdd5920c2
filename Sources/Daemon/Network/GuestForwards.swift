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

  typealias Answer = (Result<[Forward], ErrorReport>) -> Void

  static let maximum = 64

  /// - Parameters:
  ///   - wanted: `guest` is a port.
  ///   - mayWait: those that cannot be open now are opened when they can; else the first of them is the answer, and none stays.
  ///   - answer: called once, with all of them as they are now.
  func open(_ wanted: [Forward], mayWait: Bool, answer: @escaping Answer) {
    guard wanted.count <= Self.maximum else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.limit.rawValue,
            message: "a guest brings at most \(Self.maximum) forwards along")))
    }
    guard let lease else {
      return answer(
        .failure(
          ErrorReport(
            code: HostError.Code.unsupported.rawValue,
            message:
              "network \(network.name) gives the guest no address that a forward could lead to")))
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
      return answer(.success(network.forwards.listed(of: owner)))
    }
    open(addressed[...], opened: [], answer)
  }

  private func open(_ rest: ArraySlice<Forward>, opened: [Forward], _ answer: @escaping Answer) {
    guard let next = rest.first else { return answer(.success(opened)) }
    network.forwards.add(next) { result in
      switch result {
      case .success(let forward):
        network.forwards.give(forward, to: owner)
        open(rest.dropFirst(), opened: opened + [forward], answer)
      case .failure(let error):
        close()
        answer(.failure(error))
      }
    }
  }

  func close() { network.forwards.set([], of: owner) }
}

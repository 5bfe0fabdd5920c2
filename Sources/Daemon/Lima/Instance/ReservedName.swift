// SPDX-License-Identifier: Apache-2.0
//
// ReservedName: an instance's name on a network that has guests who choose theirs: it leads to the address of the
// instance's own interface there, and nowhere while that has none. Until this is gone. Loop thread.

import HostProtocol

final class ReservedName {
  private let owner: String
  private let name: String
  private let mac: String
  private let network: () -> Network?
  private var addresses: [String] = []

  /// - Parameters:
  ///   - owner: of the name in the network's books; one for each name there.
  ///   - hostname: "lima-prod".
  ///   - mac: of the instance's interface on the network, lower case.
  init(_ owner: String, hostname: String, mac: String, on network: Network) {
    self.owner = owner
    self.mac = mac
    // On an isolated network guests know each other by no domain.
    name =
      network.wanted.settings.mode == InstancePlan.replacingMode ? "\(hostname).internal" : hostname
    self.network = { [weak network] in network }
    tell()
    network.leases.follow(
      owner,
      LeaseObserver(isWaiting: { false }, onLeases: { [weak self] in self?.took($0) }))
  }

  deinit {
    network()?.leases.follow(owner, nil)
    network()?.names.set(NameSet(owner: owner))
  }

  private func took(_ leases: [LeaseReport]) {
    let own = leases.filter { $0.mac?.lowercased() == mac && !$0.isAbsent }
    let found = [own.first { !$0.isIPv6 }, own.first(where: \.isIPv6)].compactMap { $0?.address }
    guard found != addresses else { return }
    addresses = found
    tell()
  }

  private func tell() {
    network()?.names.set(NameSet(owner: owner, hosts: [name: addresses]))
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Names that the network answers by itself. The supervisor keeps them, by owner (the configuration, an instance), so
// that they are there again after a crash or a stop.

import HostProtocol

extension Network {
  /// The owner of `dns.hosts` in networks.yaml.
  static let configurationOwner = "config"

  static func configuredNames(_ configuration: NetworkConfiguration) -> [String: NameSet] {
    configuration.hosts.isEmpty
      ? [:]
      : [configurationOwner: NameSet(owner: configurationOwner, hosts: configuration.hosts)]
  }

  /// Replaces the names of one owner; an empty set withdraws them.
  func setNames(_ set: NameSet) {
    let isEmpty = set.hosts.isEmpty && set.zones.isEmpty
    guard names[set.owner] != (isEmpty ? nil : set) else { return }
    names[set.owner] = isEmpty ? nil : set
    guard state == .running, let link else { return }
    push(set, to: link)
  }

  /// Gives a new process the names of the one before.
  func replayNames(to link: HostLink) {
    for owner in names.keys.sorted() {
      if let set = names[owner] { push(set, to: link) }
    }
  }

  private func push(_ set: NameSet, to link: HostLink) {
    link.request(.setNames(set)) { [weak self] reply in
      guard case .failure(let error) = reply, !link.hasEnded else { return }
      self?.log(.warning, "the names of \(set.owner) are not answered: \(error)")
    }
  }
}

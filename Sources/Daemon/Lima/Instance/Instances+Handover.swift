// SPDX-License-Identifier: Apache-2.0

extension Instance {
  func hand() -> InstanceState {
    InstanceState(
      name: name, since: since, lease: lease, address6: address6, name6: name6,
      hasForwards: hasForwards)
  }

  /// Before it begins: its network has its names and forwards still.
  func resume(_ state: InstanceState) {
    since = state.since
    lease = state.lease
    address6 = state.address6
    name6 = state.name6
    hasForwards = state.hasForwards
  }
}

extension Instances {
  func hand() -> [InstanceState] { all.values.map { $0.hand() }.sorted { $0.name < $1.name } }

  /// Before `restore`.
  func resume(_ states: [InstanceState]) {
    handed = Dictionary(states.map { ($0.name, $0) }) { first, _ in first }
  }
}

// SPDX-License-Identifier: Apache-2.0

extension NameRegistry {
  func hand() -> NamesState {
    NamesState(sets: sets, parts: parts, zones: zones, absent: absent.sorted())
  }

  /// In place of what it has.
  func resume(_ state: NamesState) {
    sets = state.sets
    parts = state.parts
    zones = state.zones
    absent = Set(state.absent)
  }
}

extension LeaseTracker {
  func hand() -> LeasesState {
    LeasesState(seen: seen.sorted(), absent: absent.sorted(), hostnames: hostnames.sorted())
  }

  func resume(_ state: LeasesState) {
    seen = Set(state.seen)
    absent = Set(state.absent)
    hostnames = Set(state.hostnames)
  }
}

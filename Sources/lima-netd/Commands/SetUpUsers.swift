// SPDX-License-Identifier: Apache-2.0
//
// SetUpUsers: the other users that have set up a network of the same name on this host, from the names of its interfaces:
// "ln1000-shared" belongs to uid 1000. Longer names are hashed and do not show the user. Pure.

enum SetUpUsers {
  static func others(than uid: UInt32, of network: String, among names: [String]) -> [UInt32] {
    names.compactMap { name in
      guard name.hasPrefix("ln"), name.hasSuffix("-\(network)"),
        let user = UInt32(name.dropFirst(2).prefix { $0 != "-" }), user != uid,
        name == "ln\(user)-\(network)"
      else { return nil }
      return user
    }.sorted()
  }
}

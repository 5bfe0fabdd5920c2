// SPDX-License-Identifier: Apache-2.0
//
// SetUpUsers: for which other users a network of the same name is set up on this host, by the names of its interfaces:
// "ln1000-shared" is uid 1000's. A longer name is a hash, which does not tell. Pure.

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

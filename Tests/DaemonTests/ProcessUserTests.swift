// SPDX-License-Identifier: Apache-2.0
//
// `user:`: who a network's process is to become, and what is said of users that nobody knows.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct ProcessUserTests {
  private static let known: [String: ProcessUser] = [
    "root": ProcessUser(name: "root", uid: 0, gid: 0),
    "netd": ProcessUser(name: "netd", uid: 990, gid: 991),
    "990": ProcessUser(name: "netd", uid: 990, gid: 991),
    "other": ProcessUser(name: "other", uid: 1200, gid: 1200),
  ]

  private func decode(_ yaml: String, isRoot: Bool = true) throws -> Configuration {
    try ConfigDecoder.decode(
      Array(yaml.utf8), file: "networks.yaml", homeDirectory: "/h",
      accounts: .init(isRoot: isRoot) { Self.known[$0] })
  }

  private func users(_ configuration: Configuration) -> [String: String] {
    configuration.networks.reduce(into: [:]) { $0[$1.name] = $1.settings.user?.name }
  }

  @Test func aNetworksOwnUserComesBeforeTheOneOfAll() throws {
    let found = try decode(
      """
      user: netd
      networks:
        lab: {mode: slirp}
        mine: {mode: slirp, user: other}
        same: {mode: slirp, user: 990}
        whole: {mode: slirp, user: root}
      """)
    #expect(
      users(found) == [
        "default": "netd", "user-v2": "netd", "lab": "netd", "mine": "other", "same": "netd",
      ])
  }

  @Test func anUnknownUserIsAnErrorWithItsPlace() {
    #expect {
      try decode("networks:\n  lab:\n    mode: slirp\n    user: nosuch\n")
    } throws: { error in
      "\(error)".contains(
        "networks.yaml:4:11: networks.lab.user: this machine has no user `nosuch`")
    }
  }

  @Test func withoutRootItHasNoEffectAndIsWarnedOf() throws {
    let found = try decode("networks:\n  lab: {mode: slirp, user: netd}\n", isRoot: false)
    #expect(users(found).isEmpty)
    #expect(
      found.warnings.map { $0.text(file: "f") }.contains { $0.contains("only root's daemon") })
  }

  @Test func anotherUserIsAChangeOfTheNetwork() throws {
    let before = try decode("networks:\n  lab: {mode: slirp}\n")
    let after = try decode("networks:\n  lab: {mode: slirp, user: netd}\n")
    let pair = try [before, after].map { configuration in
      try #require(configuration.networks.first { $0.name == "lab" })
    }
    #expect(pair[1].keysThatDiffer(from: pair[0]) == ["user"])
  }
}

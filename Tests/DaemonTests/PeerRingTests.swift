// SPDX-License-Identifier: Apache-2.0
//
// Rings of networks that are each other's peers.

import Foundation
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct PeerRingTests {
  /// Networks by name, each with the names of those that it is connected to.
  private func ring(_ name: String, _ peers: [String: [String]]) -> [String]? {
    var nodes: [String: PeerRing.Node] = [:]
    for (network, others) in peers {
      nodes[network] = PeerRing.Node(
        sockets: ["/s/\(network)", "/s/\(network)-fd"], peers: others.map { "/s/\($0)" })
    }
    return PeerRing(nodes) { .path($0) }.through(name)
  }

  @Test func `a network that leads back to itself is in a ring, through however many`() {
    #expect(ring("a", ["a": ["a"]]) == ["a"])
    #expect(ring("a", ["a": ["b"], "b": ["a-fd"]]) == ["a", "b"])
    #expect(ring("b", ["a": ["b"], "b": ["c"], "c": ["a"]]) == ["b", "c", "a"])
    // What one runs with and what it has been given since both count.
    #expect(ring("a", ["a": ["b"], "b": ["x", "a"]]) == ["a", "b"])
  }

  @Test func `trees, and rings of others, are none`() {
    #expect(ring("a", ["a": ["b"], "b": ["/elsewhere"], "c": ["b"]]) == nil)
    #expect(ring("a", ["a": ["b"], "b": ["c"], "c": ["b"]]) == nil)
    #expect(ring("a", [:]) == nil)
  }

  @Test func `links and mounts do not hide a socket, whether it is there yet or not`() throws {
    let folder = "/tmp/lnpr\(UInt32.random(in: .min ... .max))"
    let files = FileManager.default
    try files.createDirectory(atPath: folder + "/real", withIntermediateDirectories: true)
    defer { try? files.removeItem(atPath: folder) }
    try files.createSymbolicLink(atPath: folder + "/way", withDestinationPath: folder + "/real")
    #expect(PeerRing.identity(folder + "/way/s") == PeerRing.identity(folder + "/real/s"))
    #expect(files.createFile(atPath: folder + "/real/s", contents: nil))
    try files.linkItem(atPath: folder + "/real/s", toPath: folder + "/hard")
    try files.createSymbolicLink(atPath: folder + "/soft", withDestinationPath: "real/s")
    for other in ["/way/s", "/hard", "/soft"] {
      #expect(PeerRing.identity(folder + other) == PeerRing.identity(folder + "/real/s"))
    }
    #expect(PeerRing.identity(folder + "/real") != PeerRing.identity(folder + "/real/s"))
  }
}

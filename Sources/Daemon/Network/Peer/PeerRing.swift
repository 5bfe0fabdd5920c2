// SPDX-License-Identifier: Apache-2.0
//
// PeerRing: networks that are connected to each other's sockets in a ring, in which a broadcast would go round for ever.
// Pure but for `identity`. A ring through the networks of another daemon cannot be seen here: the switch finds that one
// (Host/Switch/LoopProbe).

import Platform

struct PeerRing {
  /// What is known of a network.
  struct Node {
    /// Where guests connect to it.
    var sockets: [String]
    /// What it is connected to, and what it will be when it starts next.
    var peers: [String]
  }

  /// What two paths to one socket have in common.
  enum Identity: Hashable {
    case file(device: UInt64, inode: UInt64)
    /// Nothing is there yet.
    case path(String)
  }

  private let nodes: [String: Node]
  private let identity: (String) -> Identity

  init(_ nodes: [String: Node], identity: @escaping (String) -> Identity = PeerRing.identity) {
    self.nodes = nodes
    self.identity = identity
  }

  /// The networks that one comes by from `name` on, up to the one that leads back to it; nil when none does. One that is
  /// its own peer is alone in its ring.
  func through(_ name: String) -> [String]? {
    var owners: [Identity: String] = [:]
    for (network, node) in nodes {
      for socket in node.sockets { owners[identity(socket)] = network }
    }
    // Each network is looked at once: as many steps as there are networks and peers.
    var seen: Set<String> = [name]
    var ways = [[name]]
    while let way = ways.popLast() {
      guard let last = way.last, let node = nodes[last] else { continue }
      for peer in node.peers {
        guard let next = owners[identity(peer)] else { continue }
        if next == name { return way }
        if seen.insert(next).inserted { ways.append(way + [next]) }
      }
    }
    return nil
  }

  /// By the file itself, so that links of either kind and mounts do not hide it; else by the path of its folder.
  static func identity(_ path: String) -> Identity {
    if let info = try? Files.info(path) {
      return .file(device: info.device, inode: info.inode)
    }
    guard let slash = path.lastIndex(of: "/"), slash > path.startIndex,
      let folder = try? Files.realPath(String(path[..<slash]))
    else { return .path(path) }
    return .path(folder + path[slash...])
  }
}

/// All networks of the daemon, for a network that has to know of the others.
final class PeerMap {
  /// By name.
  var nodes: () -> [String: PeerRing.Node] = { [:] }

  /// The ring that a network would be in with this socket as its uplink.
  func ring(of network: String, with socket: String) -> [String]? {
    var nodes = self.nodes()
    nodes[network]?.peers = [socket]
    return PeerRing(nodes).through(network)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// LimaHome: the paths of files and sockets in a Lima home. Pure: depends on the given environment only. Names are Lima's
// own where Lima has them (networks.yaml, NAME_qemu.sock, NAME_fd.sock).

import Platform

package struct LimaHome: Sendable, Hashable {
  /// Absolute, without a trailing slash.
  package let path: String

  /// A relative path is made absolute by `workingDirectory`.
  package init(path: String, workingDirectory: String = "/") {
    var path = path.hasPrefix("/") ? path : workingDirectory + "/" + path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    self.path = path
  }

  /// `explicit` (an option), else `$LIMA_HOME`, else `$HOME/.lima`, as in Lima.
  package init?(
    explicit: String? = nil, environment: [String: String], workingDirectory: String = "/"
  ) {
    if let explicit, !explicit.isEmpty {
      self.init(path: explicit, workingDirectory: workingDirectory)
    } else if let home = environment["LIMA_HOME"], !home.isEmpty {
      self.init(path: home, workingDirectory: workingDirectory)
    } else if let home = environment["HOME"], !home.isEmpty {
      self.init(path: home + "/.lima", workingDirectory: workingDirectory)
    } else {
      return nil
    }
  }

  package var configDirectory: String { path + "/_config" }
  package var configFile: String { configDirectory + "/networks.yaml" }
  package var networksDirectory: String { path + "/_networks" }

  /// The control API: HTTP/1.1 with JSON.
  package var controlSocket: String { networksDirectory + "/lima-netd.sock" }
  /// Receives TAP devices of `exec` and `attach`.
  package var attachSocket: String { networksDirectory + "/lima-netd_attach.sock" }
  package var pidFile: String { networksDirectory + "/lima-netd.pid" }
  package var daemonLog: String { networksDirectory + "/lima-netd.log" }

  /// The instances that are up.
  package var instancesFile: String { networksDirectory + "/lima-netd.instances.json" }

  /// The forwards of `forward add`.
  package var forwardsFile: String { networksDirectory + "/lima-netd.forwards" }

  /// TAPs that the daemon has added as ports of Open vSwitch.
  package var switchPortsFile: String { networksDirectory + "/lima-netd.ovs-ports" }

  /// Sockets of every home: the daemon's own, and those of the built-in networks.
  private var commonSockets: [String] {
    let networks = NetworkConfiguration.builtins.map { networkSockets($0.name) }
    return [controlSocket, attachSocket]
      + networks.flatMap { [$0.qemu, $0.fd, $0.unixgram, $0.endpoint] }
  }

  /// Why the sockets of every home cannot be created or reached, for users. A path too long because of another network's
  /// name is an error of that network.
  package var problem: String? {
    let longest = commonSockets.max { $0.utf8.count < $1.utf8.count } ?? attachSocket
    let spare = UnixSocket.maximumPathLength - longest.utf8.count
    guard spare < 0 else { return nil }
    return "the path of the Lima home is too long: its socket \(longest) has "
      + "\(longest.utf8.count) bytes, and a socket's path has at most "
      + "\(UnixSocket.maximumPathLength): choose a home whose path has at most "
      + "\(path.utf8.count + spare) bytes"
  }

  /// Why the sockets of a network of this name have paths that are too long, with the maximum length of a name.
  package func problem(ofNetwork name: String) -> String? {
    let (limit, sockets) = (UnixSocket.maximumPathLength, networkSockets(name))
    let paths = [sockets.qemu, sockets.fd, sockets.unixgram, sockets.endpoint]
    guard let longest = paths.max(by: { $0.utf8.count < $1.utf8.count }),
      longest.utf8.count > limit
    else { return nil }
    // The name occurs twice: in the directory and in the file name.
    let rest = longest.utf8.count - 2 * name.utf8.count
    return
      "the sockets of network `\(name)` would have paths of \(longest.utf8.count) bytes, and a socket's path has at most "
      + "\(limit): in this home a name has at most \((limit - rest) / 2) letters"
  }

  package func networkDirectory(_ name: String) -> String { networksDirectory + "/" + name }
  package func networkLog(_ name: String) -> String { networkDirectory(name) + "/\(name).log" }
  package func networkSockets(_ name: String) -> NetworkSockets {
    let stem = networkDirectory(name) + "/\(name)"
    return NetworkSockets(
      qemu: stem + "_qemu.sock", fd: stem + "_fd.sock", unixgram: stem + "_unixgram.sock",
      endpoint: stem + "_ep.sock")
  }
}

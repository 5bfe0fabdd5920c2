// SPDX-License-Identifier: Apache-2.0
//
// LimaBridge: what Lima's own helper for Linux (lima-privileged-net) has on this host for a network: the bridge
// `lima-NET`, with the gateway's address and a dnsmasq on it, and the pid file of the process that keeps it. A network
// whose bridge is kept joins it. Pure but for the probe's closures.
//
// The names are those of Lima's `start --pidfile=VARRUN/NET_lima-privileged-net.pid --bridge=lima-NET`.

import Platform

package struct LimaBridge: Sendable, Hashable, Codable {
  package enum State: Sendable, Hashable, Codable {
    /// The helper runs.
    case kept(pid: Int32)
    /// It does not, and the bridge has stayed: why nobody is taken to keep it.
    case leftOver(String)
  }

  package var name: String
  package var pidFile: String
  package var state: State

  package init(name: String, pidFile: String, state: State) {
    self.name = name
    self.pidFile = pidFile
    self.state = state
  }

  package var isKept: Bool {
    if case .kept = state { true } else { false }
  }

  /// Modes for which Lima's helper makes a bridge of its own.
  package static let modes = ["shared", "host"]

  static let program = "lima-privileged-net"

  /// Nil: the name would be too long for an interface (IFNAMSIZ), so Lima has no such bridge either.
  package static func name(of network: String) -> String? {
    let name = "lima-\(network)"
    return Identifier.isValid(network) && name.utf8.count < 16 ? name : nil
  }
}

/// Looks for it.
package struct LimaBridgeProbe {
  /// The process of a pid file.
  package enum Process: Sendable, Hashable {
    case gone
    /// It runs, and this user may not know what.
    case hidden
    /// Its command line.
    case words([String])
  }

  /// Whether there is a Linux bridge of this name.
  package var isBridge: (String) -> Bool
  /// The number in root's file, or why there is none.
  package var pid: (_ file: String) -> Result<Int32, Reason>
  package var process: (Int32) -> Process

  package struct Reason: Error, Hashable, ExpressibleByStringLiteral {
    package var text: String
    package init(stringLiteral value: String) { text = value }
    package init(_ text: String) { self.text = text }
  }

  package init(
    isBridge: @escaping (String) -> Bool, pid: @escaping (String) -> Result<Int32, Reason>,
    process: @escaping (Int32) -> Process
  ) {
    self.isBridge = isBridge
    self.pid = pid
    self.process = process
  }

  /// Nil where there is no such bridge.
  /// - Parameter varRun: `paths.varRun` of networks.yaml.
  package func look(for network: String, varRun: String) -> LimaBridge? {
    guard varRun.hasPrefix("/"), let name = LimaBridge.name(of: network), isBridge(name) else {
      return nil
    }
    let file = "\(varRun)/\(network)_\(LimaBridge.program).pid"
    func bridge(_ state: LimaBridge.State) -> LimaBridge {
      LimaBridge(name: name, pidFile: file, state: state)
    }
    switch pid(file) {
    case .failure(let reason): return bridge(.leftOver(reason.text))
    case .success(let pid):
      switch process(pid) {
      case .gone: return bridge(.leftOver("there is no process \(pid), which \(file) names"))
      // Numbers are given out again: another program of that number keeps no bridge.
      case .words(let words) where !words.contains { Self.isHelper($0) }:
        return bridge(
          .leftOver("process \(pid), which \(file) names, is no \(LimaBridge.program)"))
      case .hidden, .words: return bridge(.kept(pid: pid))
      }
    }
  }

  /// The program itself, or a script's interpreter with it as an argument.
  private static func isHelper(_ word: String) -> Bool {
    word == LimaBridge.program || word.hasSuffix("/" + LimaBridge.program)
  }

  #if os(Linux)
    package static var system: LimaBridgeProbe {
      LimaBridgeProbe(
        isBridge: { name in
          guard var netlink = try? Netlink() else { return false }
          return (try? netlink.hostTap(named: name))??.kind == "bridge"
        },
        pid: { file in
          do throws(SystemError) {
            let info = try Files.info(file, followLinks: false)
            guard info.kind == .file, info.uid == 0 else {
              return .failure(Reason("\(file) is no file of root's"))
            }
          } catch {
            return .failure(
              error.errno == .noSuchFile ? Reason("there is no \(file)") : Reason("\(error)"))
          }
          switch VMNetLayers.pidFile(file) {
          case .pid(let pid): return .success(pid)
          case .missing: return .failure(Reason("there is no \(file)"))
          case .unreadable(let why): return .failure(Reason("\(file): \(why)"))
          }
        },
        process: { pid in
          guard OtherProcess.isAlive(pid) else { return .gone }
          let words = OtherProcess.arguments(pid)
          return words.isEmpty ? .hidden : .words(words)
        })
    }
  #endif
}

/// The bridges of all networks, as networks.yaml says where their pid files are. Loop thread.
final class LimaBridges {
  var varRun = ""
  /// Nil where there is no such helper.
  var probe: LimaBridgeProbe?

  init() {
    #if os(Linux)
      probe = .system
    #endif
  }

  /// Of a network that has an interface of the host's.
  func look(for network: String, mode: String) -> LimaBridge? {
    LimaBridge.modes.contains(mode) ? probe?.look(for: network, varRun: varRun) : nil
  }
}

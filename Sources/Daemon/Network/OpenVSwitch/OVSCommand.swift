// SPDX-License-Identifier: Apache-2.0
//
// OVSCommand: the words of ovs-vsctl by which a TAP becomes a port of a bridge of Open vSwitch and is none any more, and what
// its answer means. Values; runs nothing.
//
// Sources: ovs-vsctl(8); ovs-vswitchd.conf.db(5): Interface external_ids:iface-id (the logical port of OVN,
// ovn-architecture(7) "Life Cycle of a VIF"), Port other_config:transient.

import Platform

package enum OVSCommand {
  package static let program = "ovs-vsctl"
  /// Seconds after which ovs-vsctl gives up: it waits for ovs-vswitchd to have done it.
  package static let patience: UInt64 = 5

  /// Which port, and of what.
  package struct Port: Sendable, Hashable {
    package var tap: String
    package var bridge: String
    /// The logical port of OVN that it is.
    package var ifaceID: String?

    package init(tap: String, bridge: String, ifaceID: String?) {
      self.tap = tap
      self.bridge = bridge
      self.ifaceID = ifaceID
    }
  }

  private static let begin = ["--timeout=\(patience)", "--"]

  package enum Life: Sendable, Hashable {
    /// The TAP does not outlive the daemon: a port left in the database is nobody's.
    case transient
    /// `network setup` makes it, to stay.
    case setUp
    /// It did: whatever else its administrator has made of the port stays.
    case found
  }

  package static func add(_ port: Port, _ life: Life) throws(OVSFailure) -> [String] {
    var words = begin + ["--may-exist", "add-port", port.bridge, port.tap]
    if life == .transient {
      words += ["--", "set", "Port", port.tap, "other_config:transient=true"]
    }
    if let id = port.ifaceID {
      guard isIfaceID(id) else { throw .invalidID }
      // In quotes it is a string, whatever it looks like.
      words += ["--", "set", "Interface", port.tap, "external_ids:iface-id=\"\(id)\""]
    } else if life == .setUp {
      words += ["--", "remove", "Interface", port.tap, "external_ids", "iface-id"]
    }
    return words
  }

  package static func remove(_ tap: String) -> [String] {
    begin + ["--if-exists", "del-port", tap]
  }

  /// Prints the bridge; status 1: there is no such port.
  package static func bridge(of tap: String) -> [String] { begin + ["port-to-br", tap] }

  /// What it says: the bridge, or nil for no port of any.
  package static func bridge(
    _ status: ChildProcess.ExitStatus?, _ said: String
  ) -> Result<String?, OVSFailure> {
    if case .exited(1) = status, said.contains("no port named") { return .success(nil) }
    if let failure = failure(status, said) { return .failure(failure) }
    let line = said.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    return BridgeCheck.isName(line) ? .success(line) : .failure(.refused("no bridge is named"))
  }

  /// Status 0: there is such a bridge, 2: there is none.
  package static func exists(_ bridge: String) -> [String] { begin + ["br-exists", bridge] }

  /// Names of logical ports as OpenStack, Kubernetes' CNI plugins and people choose them; nothing that has a meaning in
  /// ovs-vsctl's values. The plugin's schema has the same rule.
  package static func isIfaceID(_ text: String) -> Bool {
    guard let first = text.utf8.first, isWord(first), text.utf8.count <= 255 else { return false }
    return text.utf8.allSatisfy { isWord($0) || "._:/@+-".utf8.contains($0) }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"):
      true
    default: byte == UInt8(ascii: "_")
    }
  }

  /// What went wrong; nil when nothing did.
  /// - Parameters:
  ///   - status: nil: it was ended for taking too long.
  ///   - said: standard error.
  package static func failure(_ status: ChildProcess.ExitStatus?, _ said: String) -> OVSFailure? {
    let lines = said.split(separator: "\n").map(printable)
    if let line = lines.first(where: { $0.contains("database connection failed") }) {
      return line.contains("Permission denied") || line.contains("Operation not permitted")
        ? .denied(line) : .notRunning(line)
    }
    switch status {
    case nil, .killed: return .noSwitch
    case .exited(0):
      // The database has it, and ovs-vswitchd does not: status 0 all the same.
      return lines.first { $0.contains("Error detected") }.map(OVSFailure.refused)
    case .exited(let code):
      if let line = lines.first(where: { $0.contains("no bridge named") }) {
        return .noBridge(line)
      }
      return .refused(lines.last ?? "ovs-vsctl exited with status \(code)")
    }
  }

  /// One line, for a terminal.
  private static func printable(_ line: Substring) -> String {
    var text = String(
      String.UnicodeScalarView(
        line.unicodeScalars.prefix(300).map {
          (0x20...0x7e).contains($0.value) ? $0 : "?"
        }))
    for head in ["ovs-vsctl: "] where text.hasPrefix(head) { text.removeFirst(head.count) }
    return text
  }
}

/// Why a TAP is no port of a bridge of Open vSwitch.
package enum OVSFailure: Error, Sendable, Hashable {
  /// ovs-vsctl is not in PATH.
  case noProgram
  /// This user may not speak to the database; ovs-vsctl's own words.
  case denied(String)
  /// Nobody serves the database.
  case notRunning(String)
  /// The database is served, and ovs-vswitchd does not do what it says.
  case noSwitch
  case noBridge(String)
  /// The id of the options is none.
  case invalidID
  /// Something else, in ovs-vsctl's words.
  case refused(String)
  case system(SystemError)

  /// networks.yaml names what is not there.
  package var isOfConfiguration: Bool {
    switch self {
    case .noBridge, .invalidID: true
    default: false
    }
  }

  /// Without a full stop.
  package func sentence(_ bridge: String) -> String {
    let head = "\(bridge) is a bridge of Open vSwitch"
    return switch self {
    case .noProgram:
      "\(head), and ovs-vsctl is not in PATH (Debian's openvswitch-switch and Fedora's openvswitch have it)"
    case .denied(let words): "\(head), which this user may not change (\(words))"
    case .notRunning(let words): "\(head), and its database does not answer (\(words))"
    case .noSwitch:
      "\(head), and its daemon ovs-vswitchd does not answer within \(OVSCommand.patience) s"
    case .noBridge:
      "Open vSwitch has no bridge \(bridge), and the interface of that name is no Linux bridge"
    case .invalidID:
      "ifaceId is no name of a logical port: it has 1 to 255 letters, digits and _.:/@+-, and begins with "
        + "a letter, a digit or _"
    case .refused(let words):
      "Open vSwitch does not take its interface as a port of \(bridge): \(words)"
    case .system(let error): "ovs-vsctl could not be run: \(error)"
    }
  }

  /// A command for a shell; nil: none mends it.
  /// - Parameter setup: the one that makes the port as root, after which no right is needed.
  package func remedy(setup: String) -> String? {
    switch self {
    case .denied: setup
    case .notRunning: "sudo systemctl start \(Self.unit)"
    case .noSwitch: "sudo systemctl restart \(Self.unit)"
    default: nil
    }
  }

  /// Debian and Fedora call it differently.
  package static var unit: String {
    let folders = ["/usr/lib/systemd/system", "/lib/systemd/system", "/etc/systemd/system"]
    let debian = folders.contains { Files.exists("\($0)/openvswitch-switch.service") }
    return debian ? "openvswitch-switch" : "openvswitch"
  }
}

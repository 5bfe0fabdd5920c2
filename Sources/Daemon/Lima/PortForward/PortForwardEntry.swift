// SPDX-License-Identifier: Apache-2.0
//
// PortForwardEntry: an item of `portForwards` as written, with Lima's defaults and validation. Pure. Messages are Lima's,
// so that documentation about them applies.

import Platform

package struct PortForwardEntry: Sendable, Hashable {
  package var guestIP: ForwardIP?
  package var guestIPMustBeZero: Bool?
  package var guestPort = 0
  package var guestPortRange = [0, 0]
  package var guestSocket = ""
  package var hostIP: ForwardIP?
  package var hostPort = 0
  package var hostPortRange = [0, 0]
  package var hostSocket = ""
  package var proto = ""
  package var reverse = false
  package var ignore = false
  package var isStatic = false

  package init() {}

  /// Fills in Lima's defaults. Idempotent.
  /// - Parameters:
  ///   - socketDirectory: the directory for relative host sockets, the instance's `sock`.
  ///   - expand: expands templates between `{{` and `}}`.
  mutating func fill(
    socketDirectory: String, expand: (_ text: String, _ isHost: Bool) -> String
  ) {
    if proto.isEmpty { proto = PortForwardRule.Transport.any.rawValue }
    if guestIP == nil { guestIP = guestIPMustBeZero == true ? .anyIPv4 : .loopbackIPv4 }
    if guestIPMustBeZero == nil { guestIPMustBeZero = guestIP == .anyIPv4 }
    if hostIP == nil { hostIP = .loopbackIPv4 }
    if guestPortRange == [0, 0] {
      guestPortRange = guestPort == 0 ? [1, 65535] : [guestPort, guestPort]
    }
    if hostPortRange == [0, 0] {
      hostPortRange = hostPort == 0 ? guestPortRange : [hostPort, hostPort]
    }
    guestSocket = guestSocket.isEmpty ? "" : expand(guestSocket, false)
    guard !hostSocket.isEmpty else { return }
    hostSocket = expand(hostSocket, true)
    if !hostSocket.hasPrefix("/") { hostSocket = socketDirectory + "/" + hostSocket }
  }

  /// An error with its key.
  package struct Problem: Sendable, Hashable {
    package var key: String
    package var text: String
  }

  /// The errors of a filled-in entry; `field` is its name in messages, as "portForwards[0]".
  func problems(field: String) -> [Problem] {
    var problems: [Problem] = []
    func say(_ key: String, _ text: String) { problems.append(Problem(key: key, text: text)) }
    func checkPort(_ key: String, _ name: String, _ port: Int) {
      let field = "field `\(field).\(name)`"
      switch port {
      case ..<0: say(key, "\(field) must be > 0")
      case 0: say(key, "\(field) must be set")
      case 22: say(key, "\(field) must not be 22")
      case 65536...: say(key, "\(field) must be < 65536")
      default: break
      }
    }
    if guestIPMustBeZero == true, guestIP != .anyIPv4 {
      say(
        "guestIPMustBeZero",
        "field `\(field).guestIPMustBeZero` can only be true when field `\(field).guestIP` is 0.0.0.0"
      )
    }
    for (side, port, range, socket) in [
      ("guest", guestPort, guestPortRange, guestSocket),
      ("host", hostPort, hostPortRange, hostSocket),
    ] where port != 0 {
      if !socket.isEmpty {
        say(
          "\(side)Port",
          "field `\(field).\(side)Port` must be 0 when field `\(field).\(side)Socket` is set")
      }
      if port != range[0] {
        say(
          "\(side)Port",
          "field `\(field).\(side)Port` must match field `\(field).\(side)PortRange[0]`")
      }
      checkPort("\(side)Port", "\(side)Port", port)
    }
    for (side, port, range) in [
      ("guest", guestPort, guestPortRange), ("host", hostPort, hostPortRange),
    ] {
      // A range derived from a single port: the error was reported for the port.
      if range != [port, port] {
        for index in 0..<2 {
          checkPort("\(side)PortRange", "\(side)PortRange[\(index)]", range[index])
        }
      }
      if range[0] > range[1] {
        say(
          "\(side)PortRange",
          "field `\(field).\(side)PortRange[1]` must be greater than or equal to field "
            + "`\(field).\(side)PortRange[0]`")
      }
    }
    if hostSocket.isEmpty,
      guestPortRange[1] &- guestPortRange[0] != hostPortRange[1] &- hostPortRange[0]
    {
      say(
        "hostPortRange",
        "field `\(field).hostPortRange` must specify the same number of ports as field "
          + "`\(field).guestPortRange`")
    }
    checkSockets(field: field, say)
    if PortForwardRule.Transport(rawValue: proto) == nil {
      say("proto", "field `\(field).proto` must be `tcp`, `udp`, or `any`")
    }
    if reverse, guestSocket.isEmpty || hostSocket.isEmpty {
      say("reverse", "field `\(field).reverse` must be false")
    }
    // The same message for two keys with the same number is reported once.
    var seen: Set<String> = []
    return problems.filter { seen.insert($0.text).inserted }
  }

  private func checkSockets(field: String, _ say: (String, String) -> Void) {
    // The length excludes the NUL, as in Lima.
    let pathMax = UnixSocket.maximumPathLength + 1
    if !guestSocket.isEmpty {
      if !guestSocket.hasPrefix("/") {
        say(
          "guestSocket",
          "field `\(field).guestSocket` must be an absolute path, but is `\(guestSocket)`")
      }
      if hostSocket.isEmpty, hostPortRange[1] > hostPortRange[0] {
        say(
          "guestSocket",
          "field `\(field).guestSocket` can only be mapped to a single port or socket. not a range")
      }
    }
    if !hostSocket.isEmpty {
      if guestSocket.isEmpty, guestPortRange[1] > guestPortRange[0] {
        say(
          "hostSocket",
          "field `\(field).hostSocket` can only be mapped from a single port or socket. not a range"
        )
      }
      if hostSocket.utf8.count >= pathMax {
        say(
          "hostSocket",
          "field `\(field).hostSocket` must be less than UNIX_PATH_MAX=\(pathMax) characters, but is "
            + "\(hostSocket.utf8.count)")
      }
    }
  }

  /// The rule; nil if the entry has errors or was not filled in.
  var rule: PortForwardRule? {
    guard let transport = PortForwardRule.Transport(rawValue: proto), let guestIP, let hostIP,
      problems(field: "").isEmpty
    else { return nil }
    return PortForwardRule(
      transport: transport, guestIP: guestIP, guestIPMustBeZero: guestIPMustBeZero ?? false,
      guestPorts: guestPortRange[0]...guestPortRange[1], guestSocket: guestSocket, hostIP: hostIP,
      hostPorts: hostPortRange[0]...hostPortRange[1], hostSocket: hostSocket, isReverse: reverse,
      ignores: ignore, isStatic: isStatic)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// ExposedNames: what clients of `_ep.sock` call the ends of the forwards that they asked for. Values.

import HostProtocol

struct ExposedNames: Codable {
  private struct Names: Codable {
    let local: String
    let remote: String
    /// The address that was to be listened at; its port may be 0.
    let asked: String
  }

  private var names: [ForwardKey: Names] = [:]

  /// - Parameters:
  ///   - open: as it listens.
  ///   - asked: as it was to listen.
  mutating func note(_ open: Forward, asked: Forward, by request: ExposeRequest) {
    names[ForwardKey(open)] = Names(
      local: request.local(listeningAt: open.host), remote: request.remote, asked: asked.host)
  }

  mutating func forget(_ forward: Forward) { names[ForwardKey(forward)] = nil }

  /// The one that a client means: perhaps by the port 0 that it was asked for with, as gvproxy has it.
  func listener(_ asked: Forward) -> Forward {
    guard asked.addressOfPortZero != nil,
      let known = names.first(where: {
        $0.key.protocol == asked.protocol && $0.value.asked == asked.host
      })
    else { return asked }
    var listener = asked
    listener.host = known.key.host
    return listener
  }

  /// As clients wrote them, sorted by address and protocol.
  func json(_ forwards: [Forward]) -> JSONValue {
    let all = forwards.map { forward in
      names[ForwardKey(forward)]
        ?? Names(local: forward.host, remote: forward.guest ?? "", asked: forward.host)
    }
    let listed = zip(forwards, all).sorted {
      ($0.1.local, $0.0.protocol) < ($1.1.local, $1.0.protocol)
    }
    return .array(
      listed.map { forward, names in
        .object([
          "local": .string(names.local), "remote": .string(names.remote),
          "protocol": .string(forward.protocol),
        ])
      })
  }
}

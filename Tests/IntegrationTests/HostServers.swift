// SPDX-License-Identifier: Apache-2.0
//
// The servers on the host's loopback that guests talk to (Fixtures/server.py).

import Foundation

final class HostServers {
  struct Ports: Decodable {
    var http: Int
    var sink: Int
    var echo: Int
    var udp: Int
  }

  let ports: Ports
  private let command: RunningCommand

  init() throws {
    let command = try RunningCommand("python3", [Installation.fixtures + "/server.py"])
    self.command = command
    var ports: Ports?
    _ = eventually {
      ports = try? JSONDecoder().decode(Ports.self, from: Data(command.output.utf8))
      return ports != nil
    }
    guard let ports else {
      throw TestFailure("the test's servers did not start: \(command.errors)")
    }
    self.ports = ports
  }

  func stop() { command.stop() }
  deinit { stop() }
}

struct TestFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

// SPDX-License-Identifier: Apache-2.0
//
// Handover: what the program before this one has handed to it. The environment says where: LIMA_NETD_HANDOVER=PID:DESCRIPTOR,
// of this process and no other, and the descriptor is of HandoverMemory.

import HostProtocol
import LibC
import Platform

final class Handover {
  static let variable = "LIMA_NETD_HANDOVER"

  let state: DaemonState
  /// Networks that are still to be taken.
  var networks: [String: NetworkHandover]

  private init(_ state: DaemonState) {
    self.state = state
    networks = Dictionary(state.networks.map { ($0.name, $0) }) { first, _ in first }
  }

  /// Before this process opens descriptors of its own. Takes over all that are handed to it.
  /// - Returns: nil: there is nothing, and the daemon starts as any other.
  static func adopt() -> Handover? {
    guard let text = CurrentProcess.environment[variable] else { return nil }
    unsetenv(variable)
    #if os(Linux)
      let parts = text.split(separator: ":").compactMap { Int32($0) }
      guard parts.count == 2, parts[0] == CurrentProcess.id, parts[1] > 2,
        HandoverMemory.isOne(parts[1])
      else { return nil }
      defer { Descriptor.close(parts[1]) }
      do {
        let state = try StateCheck.decode(try HandoverMemory.read(parts[1]))
        for fd in state.descriptors { try Descriptor.setCloseOnExec(fd) }
        InheritedSockets.adopt(state.inherited)
        HandedSockets.adopt(state.sockets)
        return Handover(state)
      } catch {
        // It was checked before. All that helps now is to begin anew, as after a restart.
        try? Files.writeAll(
          2, Array("lima-netd: nothing is taken over of the version before: \(error)\n".utf8))
        return nil
      }
    #else
      return nil
    #endif
  }
}

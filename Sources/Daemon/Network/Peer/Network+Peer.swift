// SPDX-License-Identifier: Apache-2.0
//
// A network whose uplink is another daemon's socket: one that its options name, or on macOS that of the socket_vmnet
// which is started for it. Loop thread.

import HostProtocol
import Logging
import Platform

extension Network {
  /// Makes the connection's keeper where the plan has one, and goes on to the network's process.
  /// - Returns: whether it has one.
  func takePeer(_ plan: LaunchPlan) throws(ErrorReport) -> Bool {
    if let path = plan.peerSocket {
      if let ring = ring(with: path) { throw ring }
      leavePeer()
      keepPeer(path)
      try launch(plan)
      return true
    }
    guard let request = context.vmnet?.request(plan) else {
      leavePeer()
      return false
    }
    let current = attempt
    context.vmnet?.start(request) { [weak self] result in
      guard let self, state == .starting, attempt == current else { return }
      do throws(ErrorReport) {
        switch result {
        case .success(let path): keepPeer(path)
        case .failure(let error):
          throw ErrorReport(
            code: HostError.Code.system.rawValue, message: "network \(name): \(error)")
        }
        try launch(plan)
      } catch {
        fail(error)
      }
    }
    return true
  }

  private func keepPeer(_ path: String) {
    leaveInterface()
    guard peer?.socket != path else { return }
    peer?.rest()
    peer = PeerUplink(
      socket: path, layers: .system(context.loop),
      newID: { [ids = context.guestIDs] in ids.next() },
      log: { [weak self] isTrouble, text in self?.log(isTrouble ? .warning : .info, text) })
  }

  /// Why a network must not have this socket: every broadcast would come back for ever.
  func ring(with path: String) -> ErrorReport? {
    guard let ring = context.peers.ring(of: self, with: path) else { return nil }
    let way = (ring + [name]).joined(separator: " → ")
    return ErrorReport(
      code: HostError.Code.invalidConfig.rawValue,
      message: ring.count == 1
        ? "network \(name): `socket: \(path)` is a socket of this very network: name that of another daemon "
          + "or network"
        : "network \(name): `socket: \(path)` makes a ring, in which a broadcast would go round for ever: \(way). "
          + "Take `socket` out of one of them")
  }

  /// The network's process runs.
  func connectPeer(_ link: HostLink) {
    peer?.begin { [weak link] spec, fd, answer in
      guard let link, !link.hasEnded else { return answer("the network's process has ended") }
      link.request(.addPort(spec), fds: [fd]) { reply in
        if case .failure(let error) = reply { answer("\(error)") } else { answer(nil) }
      }
    }
  }

  /// The network is at rest.
  func leavePeer() {
    guard let peer else { return }
    peer.rest()
    self.peer = nil
    context.vmnet?.stop(name)
  }
}

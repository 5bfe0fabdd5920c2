// SPDX-License-Identifier: Apache-2.0
//
// The sockets of a network, handed over. Those that listen are found again by their paths (HandedSockets).

import Platform

extension GuestSockets {
  func pause(_ isPaused: Bool) {
    qemu?.pause(isPaused)
    passing?.pause(isPaused)
  }

  func hand(_ list: DescriptorList) -> [HandedSockets.Entry] {
    [
      qemu?.hand(list), passing?.hand(list),
      list.give(HandedSockets.Entry(unixgramFile, fd: unixgram, isStream: false)),
    ].compactMap { $0 }
  }

  /// Clients that have not sent their descriptor yet.
  func dropHandshakes() { for fd in Array(handshakes.keys) { endHandshake(fd) } }
}

extension EndpointListener {
  func pause(_ isPaused: Bool) { acceptor?.pause(isPaused) }

  func hand(_ list: DescriptorList) -> HandedSockets.Entry? { acceptor?.hand(list) }

  /// Connections whose head is not whole.
  func dropWaiting() { for fd in Array(waiting.keys) { drop(fd) } }
}

extension UsernetKeeper {
  /// It is not about to be another process.
  var isSettled: Bool { timer == nil && lock == nil }

  func hand(_ list: DescriptorList) -> KeeperState? {
    child.map { KeeperState(pid: $0.pid, socket: list.give($0.socket)) }
  }

  /// Before `publish`.
  func resume(_ state: KeeperState) {
    guard child == nil else { return }
    child = (state.pid, state.socket)
    try? loop.add(state.socket, .read) { [weak self] _ in self?.ended() }
  }
}

extension NetworkListeners {
  func pause(_ isPaused: Bool) {
    sockets.pause(isPaused)
    endpoint?.pause(isPaused)
  }

  func hand(_ list: DescriptorList) -> [HandedSockets.Entry] {
    sockets.hand(list) + [endpoint?.hand(list)].compactMap { $0 }
  }

  func handKeeper(_ list: DescriptorList) -> KeeperState? { lima?.keeper.hand(list) }

  func resume(_ keeper: KeeperState?) {
    guard let keeper else { return }
    guard let own = lima?.keeper else {
      Descriptor.close(keeper.socket)
      return ChildProcess.kill(keeper.pid, 9)
    }
    own.resume(keeper)
  }

  /// What an upgrade has to wait for; nil: nothing.
  var obstacle: String? {
    if !sockets.handshakes.isEmpty { return "a client of \(paths.fd) that sends no descriptor" }
    if endpoint?.waiting.isEmpty == false { return "a client of \(paths.endpoint)" }
    if lima?.keeper.isSettled == false { return "Lima, which lets the network go" }
    return nil
  }

  /// Clients that are about to ask for something have to come again.
  func disappoint() {
    sockets.dropHandshakes()
    endpoint?.dropWaiting()
  }
}

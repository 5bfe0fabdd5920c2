// SPDX-License-Identifier: Apache-2.0
//
// Options of the sockets of TCP connections.

import LibC

extension SocketCalls {
  #if canImport(Darwin)
    static let keepIdleOption = TCP_KEEPALIVE
  #else
    static let keepIdleOption = TCP_KEEPIDLE
  #endif
  /// Idle seconds after which the kernel probes a forward's client, and seconds between probes.
  private static let clientIdle: Int32 = 60
  private static let clientInterval: Int32 = 15

  /// TCP_NODELAY: the guest has already decided about segments. SO_OOBINLINE: urgent data stays in the stream (RFC
  /// 6093 §3); without it the kernel removes the byte from what is read. Both fail harmlessly on a unix socket.
  func prepareStream(_ fd: Int32) {
    set(fd, Int32(IPPROTO_TCP.self), TCP_NODELAY, 1)
    set(fd, SOL_SOCKET, SO_OOBINLINE, 1)
  }

  /// Sets options of a listener that accepted sockets inherit. The kernel probes silent clients.
  func prepareListener(_ fd: Int32) {
    prepareStream(fd)
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    set(fd, Int32(IPPROTO_TCP.self), Self.keepIdleOption, Self.clientIdle)
    set(fd, Int32(IPPROTO_TCP.self), TCP_KEEPINTVL, Self.clientInterval)
    setResetOnClose(fd, true)
  }

  /// Whether closing the socket, also by the end of the process, resets the connection (SO_LINGER 0). On while a
  /// connection is open, so that an unintended end is not taken for an orderly close.
  func setResetOnClose(_ fd: Int32, _ isOn: Bool) {
    var value = linger(l_onoff: isOn ? 1 : 0, l_linger: 0)
    _ = setOption(
      context, fd, Int32(SOL_SOCKET), Int32(SO_LINGER), &value, UInt32(MemoryLayout<linger>.size))
  }
}

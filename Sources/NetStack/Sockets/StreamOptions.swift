// SPDX-License-Identifier: Apache-2.0
//
// What the sockets of TCP connections are told.

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension SocketCalls {
  #if canImport(Darwin)
    static let keepIdleOption = TCP_KEEPALIVE
  #else
    static let keepIdleOption = TCP_KEEPIDLE
  #endif
  /// Idle seconds after which the kernel probes a forward's client, and seconds between probes.
  private static let clientIdle: Int32 = 60
  private static let clientInterval: Int32 = 15

  /// No Nagle: the guest has decided about segments. Urgent data stays in its place among the rest
  /// (RFC 6093 §3): without it the kernel leaves the byte out of what is read. On a unix socket they
  /// fail, which does no harm.
  func prepareStream(_ fd: Int32) {
    set(fd, Int32(IPPROTO_TCP.self), TCP_NODELAY, 1)
    set(fd, SOL_SOCKET, SO_OOBINLINE, 1)
  }

  /// Gives a listener what sockets that it accepts are to have: they take it over. The kernel probes
  /// clients that are silent.
  func prepareListener(_ fd: Int32) {
    prepareStream(fd)
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1)
    set(fd, Int32(IPPROTO_TCP.self), Self.keepIdleOption, Self.clientIdle)
    set(fd, Int32(IPPROTO_TCP.self), TCP_KEEPINTVL, Self.clientInterval)
    setResetOnClose(fd, true)
  }

  /// Whether a close of the socket, be it by the end of the process, resets the connection
  /// (SO_LINGER 0). So while a connection is open: an end that nobody meant must not look like one
  /// that somebody did.
  func setResetOnClose(_ fd: Int32, _ isOn: Bool) {
    var value = linger(l_onoff: isOn ? 1 : 0, l_linger: 0)
    _ = setOption(
      context, fd, Int32(SOL_SOCKET), Int32(SO_LINGER), &value, UInt32(MemoryLayout<linger>.size))
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own socket calls in the shape of SocketCalls.

import LibC
import Platform

extension SocketCalls {
  /// The real system calls.
  public static var system: SocketCalls {
    SocketCalls(
      context: nil,
      socket: { Int32(truncatingIfNeeded: Sockets.socket($1, $2, $3)) },
      socketPair: { _, domain, type, fds in
        #if canImport(Glibc)
          let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
          return socketpair(domain, type | flags, 0, fds) < 0 ? -errno : 0
        #else
          guard socketpair(domain, type, 0, fds) == 0 else { return -errno }
          for fd in [fds[0], fds[1]] {
            _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
            _ = fcntl(fd, F_SETFL, O_NONBLOCK)
          }
          return 0
        #endif
      },
      connect: { Int32(truncatingIfNeeded: Sockets.connect($1, $2, $3)) },
      bind: { Int32(truncatingIfNeeded: Sockets.bind($1, $2, $3)) },
      listen: { Int32(truncatingIfNeeded: Sockets.listen($1, $2)) },
      accept: { Int32(truncatingIfNeeded: Sockets.accept($1, $2, $3)) },
      sendMessage: { Sockets.sendmsg($1, $2, $3) },
      receiveMessage: { Sockets.recvmsg($1, $2, $3) },
      shutdown: { Int32(truncatingIfNeeded: Sockets.shutdown($1, $2)) },
      close: { Int32(truncatingIfNeeded: Sockets.close($1)) },
      getOption: { Int32(truncatingIfNeeded: Sockets.getsockopt($1, $2, $3, $4, $5)) },
      setOption: { Int32(truncatingIfNeeded: Sockets.setsockopt($1, $2, $3, $4, $5)) },
      localAddress: { Int32(truncatingIfNeeded: Sockets.getsockname($1, $2, $3)) },
      sendMessages: { Int32(truncatingIfNeeded: Sockets.sendBatch($1, $2, $3)) },
      receiveMessages: { Int32(truncatingIfNeeded: Sockets.receiveBatch($1, $2, $3)) })
  }
}

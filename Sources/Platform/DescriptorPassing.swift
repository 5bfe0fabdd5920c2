// SPDX-License-Identifier: Apache-2.0
//
// DescriptorPassing: descriptors over a unix socket without further framing: the protocol of Lima's `_fd.sock`.

import LibC
import CPlatform

package enum DescriptorPassing {
  package enum Received {
    /// The descriptors that came with at least one byte; all CLOEXEC, to be closed by the caller.
    case descriptors([Int32])
    /// Descriptors were sent, but this process has reached RLIMIT_NOFILE.
    case lost
    /// Nothing now.
    case wouldBlock
    /// The peer closed its end.
    case closed
    case failed(SystemError)
  }

  /// Reads once. The bytes that carry the descriptors are dropped.
  package static func receive(_ socket: Int32) -> Received {
    var bytes = [UInt8](repeating: 0, count: 256)
    var fds = [Int32](repeating: -1, count: Int(PLAT_MAX_FDS))
    var count: UInt32 = 0
    let length = bytes.count
    let result = bytes.withUnsafeMutableBytes {
      plat_recv_fds(socket, $0.baseAddress, UInt64(length), &fds, &count, 0)
    }
    if result == 0 { return .closed }
    guard let errno = Errno(result: result) else {
      return count == PLAT_LOST_FDS ? .lost : .descriptors(Array(fds[..<Int(count)]))
    }
    return errno == .wouldBlock ? .wouldBlock : .failed(SystemError("recvmsg", errno))
  }

  /// Sends `fds` with one byte, as clients of `_fd.sock` do.
  package static func send(_ fds: [Int32], over socket: Int32) throws(SystemError) {
    var byte: UInt8 = 0
    _ = try check("sendmsg", plat_send_fds(socket, &byte, 1, fds, UInt32(fds.count), 0))
  }
}

extension Sockets {
  /// Whether `fd` is a socket of kind SOCK_DGRAM.
  package static func isDatagram(_ fd: Int32) -> Bool {
    var type: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    return systemGetsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0 && type == datagram
  }
}

extension Errno {
  package static var connectionAborted: Errno { Errno(ECONNABORTED) }
}

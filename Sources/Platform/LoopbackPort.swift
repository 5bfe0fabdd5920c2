// SPDX-License-Identifier: Apache-2.0
//
// LoopbackPort: which TCP ports of 127.0.0.1 are free at the time of the call.

import LibC

package enum LoopbackPort {
  /// A free port, chosen by the system.
  package static func free() throws(SystemError) -> Int { try bind(0) }

  /// - Throws: why a socket cannot listen at `port`, such as EADDRINUSE.
  package static func probe(_ port: Int) throws(SystemError) {
    _ = try bind(UInt16(clamping: port))
  }

  private static func bind(_ port: UInt16) throws(SystemError) -> Int {
    let subject = "127.0.0.1:\(port)"
    let fd = Int32(try check("socket", Sockets.socket(AF_INET, Sockets.stream, 0)))
    defer { Descriptor.close(fd) }
    // As the later listener sets it: connections in TIME-WAIT do not occupy the port.
    _ = Sockets.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        let bound = Sockets.bind(fd, address, length)
        return bound < 0 ? bound : Sockets.getsockname(fd, address, &length)
      }
    }
    _ = try check("bind", result, subject: subject)
    let listening = Sockets.listen(fd, 1)
    _ = try check("listen", listening, subject: subject)
    return Int(UInt16(bigEndian: address.sin_port))
  }
}

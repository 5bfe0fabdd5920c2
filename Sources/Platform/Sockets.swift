// SPDX-License-Identifier: Apache-2.0
//
// Sockets: socket calls for the data path: they do not throw but return the result or -errno; EINTR is retried,
// MSG_NOSIGNAL always set, new sockets are non-blocking with CLOEXEC. Static functions, so that they convert to
// @convention(c) pointers.

import LibC
import CPlatform

package enum Sockets {
  #if canImport(Glibc)
    package static let stream = Int32(SOCK_STREAM.rawValue)
    package static let datagram = Int32(SOCK_DGRAM.rawValue)
    private static let newFlags =
      Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    private static let noSignal = Int32(MSG_NOSIGNAL)
  #else
    package static let stream = SOCK_STREAM
    package static let datagram = SOCK_DGRAM
    private static let noSignal: Int32 = 0
  #endif

  /// A socket, non-blocking, CLOEXEC.
  package static func socket(_ family: Int32, _ type: Int32, _ protocolNumber: Int32) -> Int {
    #if canImport(Glibc)
      return result(Int(Glibc.socket(family, type | newFlags, protocolNumber)))
    #else
      return adopt(Darwin.socket(family, type, protocolNumber))
    #endif
  }

  /// -EINPROGRESS: the socket becomes writable when the connection is decided; SO_ERROR has the result.
  package static func connect(
    _ fd: Int32, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
  ) -> Int {
    result(Int(systemConnect(fd, address, length)))
  }

  package static func bind(
    _ fd: Int32, _ address: UnsafePointer<sockaddr>?, _ length: socklen_t
  ) -> Int {
    result(Int(systemBind(fd, address, length)))
  }

  package static func listen(_ fd: Int32, _ backlog: Int32) -> Int {
    result(Int(systemListen(fd, backlog)))
  }

  /// The new connection, non-blocking, CLOEXEC.
  package static func accept(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
  ) -> Int {
    #if canImport(Glibc)
      return Int(plat_accept(fd, address, length))
    #else
      while true {
        let n = adopt(Darwin.accept(fd, address, length))
        if n != Int(-EINTR) { return n }
      }
    #endif
  }

  package static func shutdown(_ fd: Int32, _ how: Int32) -> Int {
    result(Int(systemShutdown(fd, how)))
  }

  package static func close(_ fd: Int32) -> Int { result(Int(systemClose(fd))) }

  package static func send(
    _ fd: Int32, _ bytes: UnsafeRawPointer?, _ length: Int, _ flags: Int32
  ) -> Int {
    while true {
      let n = result(systemSend(fd, bytes, length, flags | noSignal))
      if n != Int(-EINTR) { return n }
    }
  }

  package static func recv(
    _ fd: Int32, _ bytes: UnsafeMutableRawPointer?, _ length: Int, _ flags: Int32
  ) -> Int {
    while true {
      let n = result(systemRecv(fd, bytes, length, flags))
      if n != Int(-EINTR) { return n }
    }
  }

  package static func sendmsg(_ fd: Int32, _ message: UnsafePointer<msghdr>?, _ flags: Int32)
    -> Int
  {
    while true {
      let n = result(systemSendmsg(fd, message, flags | noSignal))
      if n != Int(-EINTR) { return n }
    }
  }

  package static func recvmsg(
    _ fd: Int32, _ message: UnsafeMutablePointer<msghdr>?, _ flags: Int32
  ) -> Int {
    while true {
      let n = result(systemRecvmsg(fd, message, flags))
      if n != Int(-EINTR) { return n }
    }
  }

  package static func getsockopt(
    _ fd: Int32, _ level: Int32, _ option: Int32, _ value: UnsafeMutableRawPointer?,
    _ length: UnsafeMutablePointer<socklen_t>?
  ) -> Int {
    result(Int(systemGetsockopt(fd, level, option, value, length)))
  }

  package static func setsockopt(
    _ fd: Int32, _ level: Int32, _ option: Int32, _ value: UnsafeRawPointer?, _ length: socklen_t
  ) -> Int {
    result(Int(systemSetsockopt(fd, level, option, value, length)))
  }

  package static func getsockname(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
  ) -> Int {
    result(Int(systemGetsockname(fd, address, length)))
  }

  package static func getpeername(
    _ fd: Int32, _ address: UnsafeMutablePointer<sockaddr>?,
    _ length: UnsafeMutablePointer<socklen_t>?
  ) -> Int {
    result(Int(systemGetpeername(fd, address, length)))
  }

  /// Bytes of kernel memory used by data sent and not yet read; nil where the system does not report it.
  package static func outputQueue(_ fd: Int32) -> Int? {
    #if os(Linux)
      var bytes: Int32 = 0
      // SIOCOUTQ, which Swift does not import.
      return ioctl(fd, 0x5411, &bytes) == 0 ? Int(bytes) : nil
    #else
      return nil
    #endif
  }

  /// Sets an integer option. Returns 0 or -errno.
  package static func setOption(
    _ fd: Int32, _ level: Int32, _ option: Int32, _ value: Int32
  ) -> Int {
    var value = value
    return setsockopt(fd, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  @inline(__always)
  fileprivate static func result(_ value: Int) -> Int { value < 0 ? Int(-errno) : value }

  #if !canImport(Glibc)
    private static func adopt(_ fd: Int32) -> Int {
      guard fd >= 0 else { return Int(-errno) }
      _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
      _ = fcntl(fd, F_SETFL, O_NONBLOCK)
      var on: Int32 = 1
      _ = systemSetsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
      return Int(fd)
    }
  #endif
}

/// struct mmsghdr: `header` and `length`, the bytes moved.
package typealias MessageBatchEntry = cplatform_message

extension Sockets {
  /// Messages sent, or -errno when not even the first was.
  package static func sendBatch(
    _ fd: Int32, _ messages: UnsafeMutablePointer<MessageBatchEntry>?, _ count: UInt32
  ) -> Int {
    Int(cplatform_send_batch(fd, messages, count))
  }

  /// Messages received, or -errno.
  package static func receiveBatch(
    _ fd: Int32, _ messages: UnsafeMutablePointer<MessageBatchEntry>?, _ count: UInt32
  ) -> Int {
    Int(cplatform_receive_batch(fd, messages, count))
  }
}

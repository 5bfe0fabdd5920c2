// SPDX-License-Identifier: Apache-2.0
//
// The socket calls of the stack as a table, so that a test can replace the kernel.
//
// Each returns the result of the system call, or -errno; EINTR is retried inside. Every socket is non-blocking and
// close-on-exec. `context` is passed as first argument; the kernel's own table ignores it. C functions capture and
// retain nothing.

import LibC
import Platform

/// System calls on sockets. Loop thread.
public struct SocketCalls {
  package typealias Context = UnsafeMutableRawPointer?

  package var context: Context
  /// domain, type, protocol -> fd
  package var socket: @convention(c) (Context, Int32, Int32, Int32) -> Int32
  /// domain, type, two fds out
  package var socketPair:
    @convention(c) (Context, Int32, Int32, UnsafeMutablePointer<Int32>) -> Int32
  package var connect: @convention(c) (Context, Int32, UnsafePointer<sockaddr>, UInt32) -> Int32
  package var bind: @convention(c) (Context, Int32, UnsafePointer<sockaddr>, UInt32) -> Int32
  /// fd, backlog
  package var listen: @convention(c) (Context, Int32, Int32) -> Int32
  /// fd, address, its size (in: room, out: used) -> fd
  package var accept:
    @convention(c) (Context, Int32, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<UInt32>?)
      -> Int32
  /// fd, message, MSG_* -> bytes
  package var sendMessage: @convention(c) (Context, Int32, UnsafePointer<msghdr>, Int32) -> Int
  /// fd, message, MSG_* -> bytes
  package var receiveMessage:
    @convention(c) (Context, Int32, UnsafeMutablePointer<msghdr>, Int32) -> Int
  /// fd, SHUT_*
  package var shutdown: @convention(c) (Context, Int32, Int32) -> Int32
  package var close: @convention(c) (Context, Int32) -> Int32
  /// fd, level, name, value, its size (in: room, out: used)
  package var getOption:
    @convention(c) (
      Context, Int32, Int32, Int32, UnsafeMutableRawPointer, UnsafeMutablePointer<UInt32>
    ) -> Int32
  /// fd, level, name, value, its size
  package var setOption:
    @convention(c) (Context, Int32, Int32, Int32, UnsafeRawPointer, UInt32) -> Int32
  /// fd, address, its size: the local address
  package var localAddress:
    @convention(c) (Context, Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<UInt32>)
      -> Int32
  /// fd, messages, count -> messages
  package var sendMessages:
    @convention(c) (Context, Int32, UnsafeMutablePointer<MessageBatchEntry>, UInt32) -> Int32
  /// fd, messages, count -> messages
  package var receiveMessages:
    @convention(c) (Context, Int32, UnsafeMutablePointer<MessageBatchEntry>, UInt32) -> Int32
}

extension SocketCalls {
  /// Sets an option of type int; -errno on failure.
  @discardableResult
  package func set(_ fd: Int32, _ level: Int32, _ name: Int32, _ value: Int32) -> Int32 {
    var value = value
    return setOption(context, fd, level, name, &value, UInt32(MemoryLayout<Int32>.size))
  }

  /// Reads and clears the pending error of a socket: an errno, 0 when there is none.
  package func takeError(_ fd: Int32) -> Int32 {
    var value: Int32 = 0
    var size = UInt32(MemoryLayout<Int32>.size)
    let result = getOption(context, fd, SOL_SOCKET, SO_ERROR, &value, &size)
    return result < 0 ? -result : value
  }
}

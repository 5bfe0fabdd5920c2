// SPDX-License-Identifier: Apache-2.0
//
// The host of a stack under measurement: a clock that is set, sockets that take and give whatever
// is asked, and a link that takes every frame. It does as little as can be, and allocates
// nothing while packets flow.

import LibC
import NetStack
import Platform
import Wire

final class MicroHost {
  var now: UInt64 = 1_000_000_000
  /// The token that was watched last.
  var lastToken: UInt64 = 0
  /// What a read of a stream socket gives, and how many datagrams wait in any other.
  var streamBytes = 0
  /// What every read of a stream socket gives, however often; 0 for `streamBytes` alone.
  var readLength = 0
  var datagrams = 0
  var datagramLength = 64
  /// Sequence number and ports of the last segment sent, and the end of it.
  var lastEnd: UInt32 = 0
  var sentFrames = 0
  private var lastNumber: UInt64 = 1
  private var lastFD: Int32 = 100

  /// Good for as long as this object lives.
  var table: StackHost {
    StackHost(
      context: Unmanaged.passUnretained(self).toOpaque(),
      sendFrames: { context, _, frames, count in
        let frames = frames.assumingMemoryBound(to: Frame.self)
        MicroHost.of(context).look(frames[Int(count) - 1])
        MicroHost.of(context).sentFrames += Int(count)
        return count
      },
      now: { MicroHost.of($0).now },
      addFD: { context, _, _, user, watch in
        MicroHost.of(context).lastToken = user
        watch?.pointee = MicroHost.of(context).number()
        return 0
      },
      modifyFD: { _, _, _ in 0 },
      removeFD: { _, _ in },
      setTimer: { context, _, _ in MicroHost.of(context).number() },
      cancelTimer: { _, _ in })
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> MicroHost {
    // The stack hands back what it was given.
    Unmanaged<MicroHost>.fromOpaque(context.unsafelyUnwrapped).takeUnretainedValue()
  }

  private func number() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// Notes where a segment ends, so that it can be acknowledged.
  private func look(_ frame: Frame) {
    guard let data = frame.data, frame.length >= 54 else { return }
    var header = data
    if frame.flags.contains(.slices) {
      header =
        UnsafeRawPointer(data).assumingMemoryBound(to: FrameSlice.self)[0].data ?? data
    }
    guard header[12] == 8, header[13] == 0, header[23] == IPProtocol.tcp else { return }
    let bytes = ByteView(header, count: 54)
    let headers = 34 + Int(header[46] >> 4) * 4
    let isSyn: UInt32 = header[47] & 3 != 0 ? 1 : 0
    lastEnd = bytes.uint32(at: 38) &+ UInt32(Int(frame.length) - headers) &+ isSyn
  }

  var calls: SocketCalls {
    var calls = SocketCalls.system
    calls.context = Unmanaged.passUnretained(self).toOpaque()
    calls.socket = { context, _, _, _ in
      MicroHost.of(context).lastFD &+= 1
      return MicroHost.of(context).lastFD
    }
    calls.socketPair = { _, _, _, _ in -ENOSYS }
    calls.connect = { _, _, _, _ in 0 }
    calls.bind = { _, _, _, _ in 0 }
    calls.listen = { _, _, _ in 0 }
    calls.accept = { _, _, _, _ in -EAGAIN }
    calls.sendMessage = { _, _, message, _ in
      var count = 0
      for index in 0..<Int(message.pointee.msg_iovlen) {
        count &+= message.pointee.msg_iov[index].iov_len
      }
      return count
    }
    calls.receiveMessage = { context, _, message, flags in
      let host = MicroHost.of(context)
      if flags & SocketConstant.errorQueue == 0, host.readLength > 0 { return host.readLength }
      guard flags & SocketConstant.errorQueue == 0, host.streamBytes > 0 else {
        return -Int(EAGAIN)
      }
      var room = 0
      for index in 0..<Int(message.pointee.msg_iovlen) {
        room &+= message.pointee.msg_iov[index].iov_len
      }
      let count = min(room, host.streamBytes)
      host.streamBytes &-= count
      return count
    }
    calls.shutdown = { _, _, _ in 0 }
    calls.close = { _, _ in 0 }
    calls.getOption = { _, _, _, _, value, _ in
      value.storeBytes(of: 0, as: Int32.self)
      return 0
    }
    calls.setOption = { _, _, _, _, _, _ in 0 }
    calls.localAddress = { _, _, _, _ in -EINVAL }
    calls.sendMessages = { _, _, _, count in Int32(count) }
    calls.receiveMessages = { context, _, messages, count in
      let host = MicroHost.of(context)
      let number = min(Int(count), host.datagrams)
      guard number > 0 else { return -EAGAIN }
      host.datagrams &-= number
      for index in 0..<number {
        messages[index].length = UInt32(truncatingIfNeeded: host.datagramLength)
        messages[index].header.msg_controllen = 0
        SocketAddress(MicroScene.server).withSockaddr { from, size in
          messages[index].header.msg_name?.copyMemory(from: from, byteCount: Int(size))
          messages[index].header.msg_namelen = size
        }
      }
      return Int32(number)
    }
    return calls
  }
}

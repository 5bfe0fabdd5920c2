// SPDX-License-Identifier: Apache-2.0
//
// Sockets for tests: bytes sent by the stack are recorded, bytes to be read are set by the test, and readiness is computed
// as epoll does.

import LibC
import Wire

@testable import NetStack

/// A scripted kernel behind `SocketCalls`.
final class FakeKernel {
  final class Socket {
    var isConnected = false
    /// Result of connect: 0 or an errno; with `connectLater` EINPROGRESS first.
    var connectResult: Int32 = 0
    var connectLater = false
    var connectDone = false
    var target: Endpoint?
    /// Bytes from the stack.
    var received: [UInt8] = []
    /// Bytes the kernel still takes before EAGAIN; refilled by the test.
    var sendRoom = Int.max
    /// Bytes to the stack.
    var incoming: [UInt8] = []
    var incomingAt = 0
    var isIncomingOver = false
    /// Returned once, as by the kernel: by a send, by a read without data, or as SO_ERROR. Afterwards the socket is dead:
    /// reads return the end, writes fail with EPIPE.
    var error: Int32 = 0 { didSet { if error != 0 { isDead = true } } }
    private(set) var isDead = false
    /// The peer has seen the end of the stack's data, by shutdown or close.
    var isShut = false
    var shutdownCalls = 0
    var isClosed = false
    var wasReset = false
    var noDelay = false
    var noDelayCalls = 0
    var sendCalls = 0
    /// Bytes taken and not sent yet (TCP_INFO).
    var unsent: UInt32 = 0
    /// Options of type int, by "level/name".
    var options: [String: Int32] = [:]
    /// Whether SO_LINGER makes a close reset the connection.
    var lingers = false

    func takeError() -> Int32 {
      defer { error = 0 }
      return error
    }

    var unread: Int { incoming.count - incomingAt }
  }

  var sockets: [Int32: Socket] = [:]
  private var nextFD: Int32 = 100
  /// Called for each socket that the stack creates.
  var configure: (Socket) -> Void = { _ in }
  /// `socket` fails with this errno when it is not 0.
  var socketError: Int32 = 0
  var maximumOpen = Int.max
  /// Clients for `accept` on any listener.
  var waiting: [(fd: Int32, client: Endpoint)] = []
  /// `accept` fails with this errno when it is not 0.
  var acceptError: Int32 = 0
  var acceptCalls = 0

  var openCount: Int { sockets.values.count { !$0.isClosed } }

  /// A socket that is connected already, as accept returns it.
  func makeConnected() -> (fd: Int32, socket: Socket) {
    let socket = Socket()
    socket.isConnected = true
    socket.connectDone = true
    nextFD += 1
    sockets[nextFD] = socket
    return (nextFD, socket)
  }

  /// What epoll would report.
  func events(_ fd: Int32, interest: FDEvents) -> FDEvents {
    guard let socket = sockets[fd], !socket.isClosed else { return [] }
    var ready: FDEvents = []
    if !socket.connectDone {
      if socket.target != nil, socket.connectLater { return [] }
    }
    let isOver = socket.isIncomingOver || socket.isDead
    if socket.unread > 0 || isOver { ready.insert(.read) }
    if socket.sendRoom > 0 || socket.isDead { ready.insert(.write) }
    ready.formIntersection(interest)
    if isOver, interest.contains(.read) { ready.insert(.hangup) }
    if socket.isDead || (socket.isIncomingOver && socket.isShut) {
      ready.insert(.error)
    }
    return ready
  }

  var calls: SocketCalls {
    SocketCalls(
      context: Unmanaged.passUnretained(self).toOpaque(),
      socket: { ctx, _, _, _ in
        let kernel = FakeKernel.of(ctx)
        if kernel.socketError != 0 { return -kernel.socketError }
        if kernel.openCount >= kernel.maximumOpen { return -EMFILE }
        kernel.nextFD += 1
        let socket = Socket()
        kernel.configure(socket)
        kernel.sockets[kernel.nextFD] = socket
        return kernel.nextFD
      },
      socketPair: { ctx, _, _, fds in
        let kernel = FakeKernel.of(ctx)
        fds[0] = kernel.makeConnected().fd
        fds[1] = kernel.makeConnected().fd
        return 0
      },
      connect: { ctx, fd, address, size in
        guard let socket = FakeKernel.of(ctx).sockets[fd] else { return -EBADF }
        if socket.target == nil {
          var copy = SocketAddress()
          copy.withMutableSockaddr { out, outSize in
            UnsafeMutableRawPointer(out).copyMemory(from: address, byteCount: Int(size))
            outSize.pointee = size
          }
          socket.target = copy.endpoint
        }
        if socket.connectLater, !socket.connectDone { return -EINPROGRESS }
        socket.connectDone = true
        if socket.connectResult == 0 { socket.isConnected = true }
        return -socket.connectResult
      },
      bind: { _, _, _, _ in 0 },
      listen: { _, _, _ in 0 },
      accept: { ctx, _, address, size in
        let kernel = FakeKernel.of(ctx)
        kernel.acceptCalls += 1
        if kernel.acceptError != 0 { return -kernel.acceptError }
        guard !kernel.waiting.isEmpty else { return -EAGAIN }
        let (fd, client) = kernel.waiting.removeFirst()
        if let address, let size {
          SocketAddress(client).withSockaddr { from, length in
            UnsafeMutableRawPointer(address).copyMemory(from: from, byteCount: Int(length))
            size.pointee = length
          }
        }
        return fd
      },
      sendMessage: { ctx, fd, message, _ in FakeKernel.of(ctx).send(fd, message.pointee) },
      receiveMessage: { ctx, fd, message, _ in FakeKernel.of(ctx).receive(fd, message.pointee) },
      shutdown: { ctx, fd, _ in
        FakeKernel.of(ctx).sockets[fd]?.isShut = true
        FakeKernel.of(ctx).sockets[fd]?.shutdownCalls += 1
        return 0
      },
      close: { ctx, fd in
        guard let socket = FakeKernel.of(ctx).sockets[fd], !socket.isClosed else { return -EBADF }
        socket.isClosed = true
        socket.isShut = true
        if socket.lingers { socket.wasReset = true }
        return 0
      },
      getOption: { ctx, fd, level, name, value, _ in
        guard let socket = FakeKernel.of(ctx).sockets[fd] else { return -EBADF }
        switch name {
        case SO_ERROR where level == SOL_SOCKET:
          var code = socket.takeError()
          if code == 0, !socket.isConnected { code = socket.connectResult }
          value.storeBytes(of: code, as: Int32.self)
        case TCP_INFO where level == Int32(IPPROTO_TCP.self):
          value.storeBytes(
            of: socket.unsent, toByteOffset: TCPInfo.unsentOffset, as: UInt32.self)
        default:
          value.storeBytes(of: socket.options["\(level)/\(name)"] ?? 0, as: Int32.self)
        }
        return 0
      },
      setOption: { ctx, fd, level, name, value, _ in
        guard let socket = FakeKernel.of(ctx).sockets[fd] else { return -EBADF }
        if level == SOL_SOCKET, name == SO_LINGER {
          socket.lingers = value.load(as: linger.self).l_onoff != 0
          return 0
        }
        socket.options["\(level)/\(name)"] = value.load(as: Int32.self)
        if name == TCP_NODELAY {
          socket.noDelay = true
          socket.noDelayCalls += 1
        }
        return 0
      },
      localAddress: { _, _, _, _ in -EINVAL },
      sendMessages: { _, _, _, _ in -ENOSYS },
      receiveMessages: { _, _, _, _ in -ENOSYS })
  }

  private static func of(_ context: UnsafeMutableRawPointer?) -> FakeKernel {
    guard let context else { preconditionFailure("a socket call without its context") }
    return Unmanaged<FakeKernel>.fromOpaque(context).takeUnretainedValue()
  }

  private func send(_ fd: Int32, _ message: msghdr) -> Int {
    guard let socket = sockets[fd], !socket.isClosed else { return -Int(EBADF) }
    socket.sendCalls += 1
    if socket.error != 0 { return -Int(socket.takeError()) }
    if socket.isShut || socket.isDead { return -Int(EPIPE) }
    if socket.sendRoom <= 0 { return -Int(EAGAIN) }
    var taken = 0
    for index in 0..<Int(message.msg_iovlen) {
      let vector = message.msg_iov[index]
      let count = min(vector.iov_len, socket.sendRoom)
      socket.received += UnsafeRawBufferPointer(start: vector.iov_base, count: count)
      if socket.sendRoom != .max { socket.sendRoom -= count }
      taken += count
      if count < vector.iov_len { break }
    }
    return taken
  }

  private func receive(_ fd: Int32, _ message: msghdr) -> Int {
    guard let socket = sockets[fd], !socket.isClosed else { return -Int(EBADF) }
    if socket.unread == 0 {
      if socket.error != 0 { return -Int(socket.takeError()) }
      return socket.isIncomingOver || socket.isDead ? 0 : -Int(EAGAIN)
    }
    var taken = 0
    for index in 0..<Int(message.msg_iovlen) where socket.unread > 0 {
      let vector = message.msg_iov[index]
      let count = min(vector.iov_len, socket.unread)
      socket.incoming.withUnsafeBytes {
        guard let base = $0.baseAddress else { return }
        vector.iov_base.copyMemory(from: base + socket.incomingAt, byteCount: count)
      }
      socket.incomingAt += count
      taken += count
    }
    return taken
  }
}

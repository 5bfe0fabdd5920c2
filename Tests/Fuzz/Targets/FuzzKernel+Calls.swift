// SPDX-License-Identifier: Apache-2.0
//
// The socket calls of FuzzKernel.

import LibC
import NetStack
import Platform
import Wire

extension FuzzKernel {
  var calls: SocketCalls {
    var calls = SocketCalls.system
    calls.context = Unmanaged.passUnretained(self).toOpaque()
    calls.socket = { context, _, _, _ in FuzzKernel.of(context).open() }
    calls.socketPair = { context, _, _, fds in
      let kernel = FuzzKernel.of(context)
      fds[0] = kernel.open()
      if fds[0] < 0 { return fds[0] }
      fds[1] = kernel.open()
      return 0
    }
    calls.connect = { context, fd, _, _ in
      let kernel = FuzzKernel.of(context)
      guard let socket = kernel.sockets[fd] else { return -EBADF }
      return socket.errno == 0 ? -EINPROGRESS : -socket.errno
    }
    calls.bind = { _, _, _, _ in 0 }
    calls.listen = { _, _, _ in 0 }
    calls.accept = { context, fd, address, size in
      let kernel = FuzzKernel.of(context)
      guard let socket = kernel.sockets[fd] else { return -EBADF }
      guard !socket.incoming.isEmpty else { return -EAGAIN }
      kernel.sockets[fd]?.incoming.removeFirst()
      kernel.store(socket.source, address, size)
      return kernel.open()
    }
    calls.sendMessage = { context, fd, message, _ in
      FuzzKernel.of(context).send(fd, message.pointee)
    }
    calls.receiveMessage = { context, fd, message, flags in
      flags & SocketConstant.errorQueue != 0
        ? FuzzKernel.of(context).takeError(fd, &message.pointee)
        : FuzzKernel.of(context).receive(fd, &message.pointee)
    }
    calls.shutdown = { context, fd, _ in FuzzKernel.of(context).sockets[fd] == nil ? -EBADF : 0 }
    calls.close = { context, fd in
      expectFuzz(FuzzKernel.of(context).sockets[fd] != nil, "a socket is closed once")
      FuzzKernel.of(context).sockets[fd] = nil
      return 0
    }
    calls.getOption = { context, fd, _, _, value, _ in
      let kernel = FuzzKernel.of(context)
      value.storeBytes(of: kernel.sockets[fd]?.errno ?? EBADF, as: Int32.self)
      kernel.sockets[fd]?.errno = 0
      return 0
    }
    calls.setOption = { context, fd, _, _, _, _ in
      expectFuzz(FuzzKernel.of(context).sockets[fd] != nil, "an option is set on an open socket")
      return 0
    }
    calls.localAddress = { context, fd, address, size in
      FuzzKernel.of(context).store(Endpoint(.loopbackV4, port: 8080), address, size)
      return 0
    }
    calls.sendMessages = { context, fd, messages, count in
      for index in 0..<Int(count) {
        let result = FuzzKernel.of(context).send(fd, messages[index].header)
        if result < 0 { return index > 0 ? Int32(index) : Int32(result) }
      }
      return Int32(count)
    }
    calls.receiveMessages = { context, fd, messages, count in
      for index in 0..<Int(count) {
        let result = FuzzKernel.of(context).receive(fd, &messages[index].header)
        if result < 0 { return index > 0 ? Int32(index) : Int32(result) }
        messages[index].length = UInt32(result)
      }
      return Int32(count)
    }
    return calls
  }

  private func store(
    _ endpoint: Endpoint, _ address: UnsafeMutablePointer<sockaddr>?,
    _ size: UnsafeMutablePointer<UInt32>?
  ) {
    guard let address, let size else { return }
    SocketAddress(endpoint).withSockaddr { from, count in
      UnsafeMutableRawPointer(address).copyMemory(
        from: from, byteCount: Int(min(count, size.pointee)))
      size.pointee = count
    }
  }

  private func send(_ fd: Int32, _ message: msghdr) -> Int {
    guard let socket = sockets[fd] else { return -Int(EBADF) }
    if socket.errno != 0 {
      sockets[fd]?.errno = 0
      return -Int(socket.errno)
    }
    var count = 0
    for index in 0..<Int(message.msg_iovlen) {
      let vector = message.msg_iov[index]
      // Reads every byte: a sanitizer would see one that is not there.
      _ = UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len).reduce(0, &+)
      count += vector.iov_len
    }
    guard count == 0 || socket.room > 0 else { return -Int(EAGAIN) }
    let taken = message.msg_name == nil ? min(count, socket.room) : count
    sockets[fd]?.room -= min(taken, socket.room)
    return taken
  }

  private func receive(_ fd: Int32, _ message: inout msghdr) -> Int {
    guard let socket = sockets[fd] else { return -Int(EBADF) }
    if socket.errno != 0 {
      sockets[fd]?.errno = 0
      return -Int(socket.errno)
    }
    guard let next = socket.incoming.first else { return socket.isOver ? 0 : -Int(EAGAIN) }
    sockets[fd]?.incoming.removeFirst()
    message.msg_controllen = 0
    name(socket.source, &message)
    return fill(next, message)
  }

  private func takeError(_ fd: Int32, _ message: inout msghdr) -> Int {
    guard let socket = sockets[fd] else { return -Int(EBADF) }
    guard let next = socket.errors.first else { return -Int(EAGAIN) }
    sockets[fd]?.errors.removeFirst()
    let count = min(next.count, message.msg_controllen)
    next.withUnsafeBytes { bytes in
      if let base = bytes.baseAddress {
        message.msg_control?.copyMemory(from: base, byteCount: count)
      }
    }
    message.msg_controllen = count
    name(socket.source, &message)
    return fill(SeedPackets.question, message)
  }

  private func name(_ endpoint: Endpoint, _ message: inout msghdr) {
    guard let to = message.msg_name else { return }
    SocketAddress(endpoint).withSockaddr { from, size in
      to.copyMemory(from: from, byteCount: Int(min(size, message.msg_namelen)))
      message.msg_namelen = size
    }
  }

  private func fill(_ bytes: [UInt8], _ message: msghdr) -> Int {
    var done = 0
    for index in 0..<Int(message.msg_iovlen) where done < bytes.count {
      let count = min(message.msg_iov[index].iov_len, bytes.count - done)
      bytes.withUnsafeBytes { from in
        guard let base = from.baseAddress else { return }
        message.msg_iov[index].iov_base.copyMemory(from: base + done, byteCount: count)
      }
      done += count
    }
    return done
  }
}

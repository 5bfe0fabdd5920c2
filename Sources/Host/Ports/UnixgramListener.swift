// SPDX-License-Identifier: Apache-2.0
//
// One bound SOCK_DGRAM socket with many guests (vfkit, krunkit), identified by their source addresses. A frame from a
// new address adds a guest; so does vfkit's hello, a datagram of the four letters VFKT. A sender without an address
// cannot be answered and is refused.
//
// Datagram sockets do not report that a peer has gone: a refused send ends its port, and idle guests are probed by
// connecting a scratch socket.
//
// Bytes that a guest has not read count against the sender's socket, which all guests share: SharedSendBuffer divides
// it.
//
// Thread: loop only. Per datagram: a comparison with the previous sender's address, and on a change a search among at
// most `limit` hashes.

import LibC
import CPlatform
import Platform
import PluginAPI
import Wire

package protocol UnixgramListenerDelegate: PortDelegate {
  /// A new address has sent a frame. Returns the port's parameters, or nil to refuse it (called again for each
  /// datagram).
  func unixgramGuestKnocks(_ listener: UnixgramListener, address: String) -> PortOptions?
  /// The port is made: attach it and set its delegate. Its first frames are delivered after this returns.
  func unixgramGuestArrived(_ listener: UnixgramListener, _ port: DgramPort, address: String)
}

package final class UnixgramListener {
  private struct Guest {
    let hash: UInt64
    let port: DgramPort
    /// rxFrames at the last probe.
    var frames: UInt64 = 0
  }

  package let id: UInt64
  package let fd: Int32
  package weak var delegate: (any UnixgramListenerDelegate)?
  /// Interval between calls of `probe`, ns.
  package static let probeInterval: UInt64 = 30_000_000_000
  /// Datagrams of senders that were refused: no address, too many guests, or refused by the delegate.
  package private(set) var refused: UInt64 = 0
  /// Datagrams that are not frames, of senders that are not guests.
  package private(set) var counters = PortCounters()
  /// Why the listener has ended; nil while it works.
  package private(set) var end: PortEnd?

  private var guests: [Guest] = []
  private let limit: Int
  private let memory: PortMemory
  private let buffer: SharedSendBuffer?
  private var isOpen = true

  /// Takes ownership of `fd`.
  /// - Parameter limit: maximum number of guests; the datagrams of others are dropped.
  package init(id: UInt64, fd: Int32, memory: PortMemory, limit: Int = 64) {
    self.id = id
    self.fd = fd
    self.limit = limit
    self.memory = memory
    _ = Sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)
    buffer = SharedSendBuffer(fd: fd)
  }

  deinit { close() }

  package var guestCount: Int { guests.count }

  /// The fd is readable: delivers up to 64 datagrams, in batches by sender.
  package func onReadable() {
    guard end == nil else { return }
    let received = memory.receiveDatagrams(fd, named: true)
    if received < 0 {
      let code = Int32(-received)
      if code != EAGAIN, code != ENOBUFS, code != ENOMEM, code != ECONNREFUSED {
        end = .system(call: "recvmmsg", errno: code)
      }
      return
    }
    var port: DgramPort?
    var last = -1
    var count = 0
    for i in 0..<received {
      if last < 0 || !sameSender(i, last) {
        port?.deliverLimited(memory.frames, count)
        count = 0
        port = guest(of: i)
        last = i
      }
      guard let port, port.end == nil else { continue }
      if isHello(i) { continue }
      if memory.frame(i, into: memory.frames + count, counters: &port.counters) { count &+= 1 }
    }
    port?.deliverLimited(memory.frames, count)
  }

  /// Checks whether guests that were silent since the last probe still exist; ends those that do not.
  package func probe() {
    let scratch = Sockets.socket(AF_UNIX, Sockets.datagram, 0)
    guard scratch >= 0 else { return }
    defer { _ = Sockets.close(Int32(scratch)) }
    for i in guests.indices {
      let port = guests[i].port
      let isSilent = port.counters.rxFrames == guests[i].frames
      guests[i].frames = port.counters.rxFrames
      guard isSilent, port.end == nil, let peer = port.peer else { continue }
      let result = peer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.connect(Int32(scratch), $0, port.peerLength)
      }
      // EPERM: the peer exists, and is connected to this socket.
      if result == Int(-ECONNREFUSED) || result == Int(-ENOENT) { port.finish(.unreachable) }
    }
  }

  /// Removes a guest (its port ended or was removed).
  package func forget(_ port: DgramPort) {
    guests.removeAll { $0.port === port }
    buffer?.remove(port)
  }

  /// Closes the fd. Idempotent. The guests' ports end with it.
  package func close() {
    guard isOpen else { return }
    isOpen = false
    for guest in guests { guest.port.finish(.closed) }
    guests.removeAll()
    _ = Sockets.close(fd)
  }

  // MARK: Senders

  private func address(_ i: Int) -> (bytes: UnsafeRawPointer, count: Int) {
    let length = Int(memory.received[i].header.msg_namelen)
    return (
      UnsafeRawPointer(memory.addresses + i), min(length, MemoryLayout<sockaddr_un>.size)
    )
  }

  private func sameSender(_ a: Int, _ b: Int) -> Bool {
    let (left, leftCount) = address(a)
    let (right, rightCount) = address(b)
    return leftCount == rightCount && memcmp(left, right, leftCount) == 0
  }

  private func isHello(_ i: Int) -> Bool {
    guard memory.received[i].length == 4 else { return false }
    return memcmp(memory.heads + i * PortMemory.headBytes, "VFKT", 4) == 0
  }

  /// The sender of datagram `i`; a new one is added if that is permitted.
  private func guest(of i: Int) -> DgramPort? {
    let (bytes, count) = address(i)
    let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    guard count > pathOffset else {
      refused &+= 1
      return nil
    }
    let hash = Self.hash(bytes, count)
    if let port = known(hash, bytes, count) { return port }
    guard memory.received[i].length >= EthernetHeader.encodedLength || isHello(i) else {
      counters.rxRunt &+= 1
      return nil
    }
    return letIn(hash, memory.addresses + i, count)
  }

  private func known(_ hash: UInt64, _ bytes: UnsafeRawPointer, _ count: Int) -> DgramPort? {
    for guest in guests where guest.hash == hash {
      guard let peer = guest.port.peer, Int(guest.port.peerLength) == count,
        memcmp(peer, bytes, count) == 0
      else { continue }
      return guest.port
    }
    return nil
  }

  private func letIn(_ hash: UInt64, _ address: UnsafePointer<sockaddr_un>, _ count: Int)
    -> DgramPort?
  {
    let pathOffset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
    let text = Self.text(UnsafeRawPointer(address) + pathOffset, count - pathOffset)
    guard guests.count < limit, let delegate,
      let options = delegate.unixgramGuestKnocks(self, address: text)
    else {
      refused &+= 1
      return nil
    }
    let port = DgramPort(
      options, sharing: fd, peer: address, socklen_t(count), buffer: buffer, memory: memory)
    guests.append(Guest(hash: hash, port: port))
    delegate.unixgramGuestArrived(self, port, address: text)
    return port
  }

  /// Adds a guest by the address it had with an earlier process, unless no process listens there any more.
  package func admit(_ text: String) {
    guard end == nil, let (known, count) = Self.address(text) else { return }
    var address = known
    let scratch = Sockets.socket(AF_UNIX, Sockets.datagram, 0)
    guard scratch >= 0 else { return }
    defer { _ = Sockets.close(Int32(scratch)) }
    withUnsafePointer(to: &address) { pointer in
      let result = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.connect(Int32(scratch), $0, socklen_t(count))
      }
      // EPERM: the peer exists, and is connected to this socket.
      guard result == 0 || result == Int(-EPERM) else { return }
      let hash = Self.hash(pointer, count)
      if self.known(hash, pointer, count) == nil { _ = letIn(hash, pointer, count) }
    }
  }

  /// FNV-1a over words.
  private static func hash(_ bytes: UnsafeRawPointer, _ count: Int) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    var at = 0
    while at + 8 <= count {
      hash = (hash ^ bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0x100_0000_01b3
      hash ^= hash >> 29
      at += 8
    }
    while at < count {
      hash = (hash ^ UInt64(bytes.load(fromByteOffset: at, as: UInt8.self))) &* 0x100_0000_01b3
      at += 1
    }
    return hash
  }

  /// The socket address for `text`, as the kernel reports it: with its NUL when it is a path.
  private static func address(_ text: String) -> (sockaddr_un, Int)? {
    let isAbstract = text.hasPrefix("@")
    let bytes = isAbstract ? [0] + text.utf8.dropFirst() : text.utf8 + [0]
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard bytes.count > 1, bytes.count <= MemoryLayout.size(ofValue: address.sun_path) else {
      return nil
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    return (address, (MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + bytes.count)
  }

  /// A path, or an abstract name behind "@".
  private static func text(_ bytes: UnsafeRawPointer, _ count: Int) -> String {
    let raw = UnsafeRawBufferPointer(start: bytes, count: count)
    if raw.first == 0 {
      return "@" + String(decoding: raw.dropFirst(), as: UTF8.self)
    }
    return String(decoding: raw.prefix { $0 != 0 }, as: UTF8.self)
  }
}

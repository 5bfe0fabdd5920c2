// SPDX-License-Identifier: Apache-2.0
//
// One frame per datagram, many datagrams per system call. Either a connected SOCK_DGRAM socket of its own (one end of
// a socketpair, as Lima passes over `_fd.sock`), or one guest of a `UnixgramListener`, which owns the socket and
// reads from it.
//
// A full receiver is back-pressure, not an error. A connected socket becomes writable again; a shared one does not
// indicate which guest can receive, and a kernel out of buffers indicates nothing, so these are retried after 100 us
// and with a growing back-off.
//
// Thread: loop only.

import LibC
import Platform
import PluginAPI
import Wire

package final class DgramPort: Port {
  private static let firstRetry: UInt64 = 100_000
  private static let lastRetry: UInt64 = 20_000_000
  private static let bufferBytes: Int32 = 1 << 20

  /// The destination address; nil: the socket is connected.
  let peer: UnsafeMutablePointer<sockaddr_un>?
  let peerLength: socklen_t
  /// The accounting of the listener's socket; nil where each guest has a socket, or the system needs no accounting.
  let shared: SharedSendBuffer?
  var account = SharedSendBuffer.Account()
  /// ECONNREFUSED does not end the port: true for an uplink, whose other side may come back.
  private(set) var survivesRefusal = false
  /// Why the last send stopped.
  var stop = Outcome.full
  private var retryDelay = firstRetry
  private var framesAtProbe: UInt64 = 0

  /// Takes ownership of `fd`, a connected socket.
  /// - Parameter isUplink: ECONNREFUSED (no receiver) does not end the port.
  package init(_ options: PortOptions, fd: Int32, isUplink: Bool = false, memory: PortMemory) {
    survivesRefusal = isUplink
    peer = nil
    peerLength = 0
    shared = nil
    // Up to the system's limit; a large frame must fit as a whole.
    _ = Sockets.setOption(fd, SOL_SOCKET, SO_SNDBUF, Self.bufferBytes)
    super.init(options, fd: fd, ownsFD: true, offloads: 0, gathers: true, memory: memory)
  }

  /// A guest of a listener.
  init(
    _ options: PortOptions, sharing fd: Int32, peer address: UnsafePointer<sockaddr_un>,
    _ length: socklen_t, buffer: SharedSendBuffer?, memory: PortMemory
  ) {
    shared = buffer
    let copy = UnsafeMutablePointer<sockaddr_un>.allocate(capacity: 1)
    copy.initialize(to: address.pointee)
    peer = copy
    peerLength = length
    super.init(options, fd: fd, ownsFD: false, offloads: 0, gathers: true, memory: memory)
    shared?.add(self)
  }

  deinit {
    shared?.remove(self)
    peer?.deallocate()
  }

  // MARK: Receiving

  package override func onReadable() {
    guard end == nil, peer == nil else { return }
    let received = memory.receiveDatagrams(fd, named: false)
    guard received >= 0 else { return receiveFailed(Int32(-received)) }
    var count = 0
    for i in 0..<received {
      if memory.frame(i, into: memory.frames + count, counters: &counters) { count &+= 1 }
    }
    deliver(memory.frames, count)
  }

  private func receiveFailed(_ code: Int32) {
    switch code {
    case EAGAIN, ENOBUFS, ENOMEM: break
    case ECONNREFUSED where survivesRefusal: break
    case ECONNRESET, ECONNREFUSED, ENOTCONN: finish(.closed)
    default: finish(.system(call: "recvmmsg", errno: code))
    }
  }

  // MARK: Sending

  override func transmit(_ frames: UnsafePointer<lnd_frame>, _ count: Int) -> Int {
    sendDirectly(frames, count)
  }

  override func enqueue(_ frame: UnsafePointer<lnd_frame>) { encode(frame) }

  override func sendQueue() { stop = flushQueue() }

  override func awaitRoom() { wait(stop) }

  package override func onWritable() {
    guard end == nil else { return }
    let before = queue.count
    let state = flushQueue()
    if queue.count < before || before == 0 { retryDelay = Self.firstRetry }
    announceRoom()
    guard end == nil, !waitsForGate() else { return }
    wait(queue.isEmpty && !owesReady ? .sent : state == .sent ? .full : state)
  }

  /// Arranges a retry for when `state` may have ended.
  func wait(_ state: Outcome) {
    switch state {
    case .sent: if peer == nil { setInterest(.read) }
    case .full where peer == nil: setInterest([.read, .write])
    case .full, .exhausted:
      if peer == nil { setInterest(.read) }
      askRetry(after: retryDelay)
      retryDelay = min(retryDelay &* 2, Self.lastRetry)
    case .dead: break
    }
  }

  /// Sends an idle guest a frame that it ignores, to detect whether the peer still exists: a datagram socket reports
  /// that only on sending. Call it about every 30 s. (A listener probes its guests itself.)
  package func probe() {
    defer { framesAtProbe = counters.rxFrames }
    guard end == nil, peer == nil, queue.isEmpty, counters.rxFrames == framesAtProbe else { return }
    // To the nearest bridge's group address, which bridges do not forward, with the first EtherType for local
    // experiments (IEEE 802-2014, 9.2.4).
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: PortMemory.shortest) { frame in
      guard let base = frame.baseAddress else { return }
      frame.initialize(repeating: 0)
      EthernetHeader(
        destination: .nearestBridge, source: MACAddress(2, 0, 0, 0, 0, 0),
        etherType: EtherType.localExperimental
      ).emit(into: MutableByteView(base, count: frame.count))
      let n = Sockets.send(fd, base, frame.count, dontWait)
      if n < 0 { _ = outcome(Int32(-n)) }
    }
  }
}

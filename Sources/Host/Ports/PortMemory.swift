// SPDX-License-Identifier: Apache-2.0
//
// The buffers that all ports of a loop share. Receiving borrows the rx half
// from the read until the receiver has returned, sending the tx half until
// `send` returns; `send` is called from inside receivers but never delivers, so
// one of each is enough, whatever the number of guests, and stays in the cache.
//
// Thread: loop only. Memory is reserved when made and resident when touched.

import CPlatform
import PluginAPI
import Wire

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

package final class PortMemory {
  /// Frames of one batch to a receiver.
  static let batch = 256
  /// Datagrams of one recvmmsg.
  static let datagrams = 64
  /// iovecs of one sendmsg (the kernel's UIO_MAXIOV).
  static let pieces = 1024
  /// Room in front of a frame for a length or a vnet header.
  static let frameMax = Int(LND_FRAME_MAX)
  /// The shortest frame of an Ethernet, without its check sequence (IEEE 802.3, 4A.2.3.3). NIC models drop
  /// shorter ones, and QEMU pads what comes from a TAP, but not from a socket.
  static let shortest = EthernetHeader.shortestFrame

  // rx
  /// A TAP's reads, one behind the other.
  let arena: UnsafeMutablePointer<UInt8>
  static let arenaBytes = 1088 << 10
  let frames: UnsafeMutablePointer<lnd_frame>

  /// Datagrams: the first `headBytes` of each lie close together, so that small
  /// frames stay in few pages; the rest of a large one lands behind a gap of
  /// the same size, into which its head is then copied.
  static let headBytes = 2048
  static let tailStride = (headBytes + frameMax + 63) & ~63
  let heads: UnsafeMutablePointer<UInt8>
  let tails: UnsafeMutablePointer<UInt8>
  let received: UnsafeMutablePointer<cplatform_message>
  let receivedPieces: UnsafeMutablePointer<iovec>
  let addresses: UnsafeMutablePointer<sockaddr_un>

  /// For a stream's reads. One is enough until a read ends within a frame: its port keeps
  /// the buffer for the rest of it, and the next port takes another.
  var streams = BufferPool(bytes: streamBytes, spare: 4)
  static let streamBytes = 1 << 20

  // tx
  let out: SendMemory
  /// In `together`.
  private(set) var isGathering = false
  private var holders: [Port] = []
  /// For what ports hold back (`SendQueue.lend`).
  var loans = BufferPool(bytes: SendQueue.loanBytes, spare: 64)

  package init() {
    arena = .allocate(capacity: Self.arenaBytes)
    frames = .allocate(capacity: Self.batch)
    frames.initialize(repeating: lnd_frame(), count: Self.batch)
    heads = .allocate(capacity: Self.datagrams * Self.headBytes)
    tails = .allocate(capacity: Self.datagrams * Self.tailStride)
    received = .allocate(capacity: Self.datagrams)
    received.initialize(repeating: cplatform_message(), count: Self.datagrams)
    receivedPieces = .allocate(capacity: Self.datagrams * 2)
    receivedPieces.initialize(repeating: iovec(), count: Self.datagrams * 2)
    addresses = .allocate(capacity: Self.datagrams)
    addresses.initialize(repeating: sockaddr_un(), count: Self.datagrams)
    out = SendMemory()
    prepareDatagrams()
  }

  /// Runs what sends frames one by one, as the answers to many questions are; small ones to one port leave
  /// in one system call when it returns. Does not nest.
  func together(_ body: () -> Void) {
    isGathering = true
    body()
    isGathering = false
    while let port = holders.popLast() { port.sendHeld() }
  }

  /// A port that `together` has to send the frames of.
  func holds(_ port: Port) { holders.append(port) }

  deinit {
    arena.deallocate()
    frames.deallocate()
    heads.deallocate()
    tails.deallocate()
    received.deallocate()
    receivedPieces.deallocate()
    addresses.deallocate()
    out.deallocate()
    loans.deallocate()
    streams.deallocate()
  }
}

/// Scratch of one `send`. A value of pointers, so that using it retains nothing.
struct SendMemory {
  /// Pieces of the messages being built, and of one frame beyond the limit.
  let pieces: UnsafeMutablePointer<iovec>
  /// Generated headers, one behind the other.
  let headers: UnsafeMutablePointer<UInt8>
  static let headerBytes = 128 << 10
  /// For each frame on the wire being built: its bytes there, and which of the
  /// caller's frames it came from.
  let unitBytes: UnsafeMutablePointer<UInt32>
  let unitFrame: UnsafeMutablePointer<Int32>
  let messages: UnsafeMutablePointer<cplatform_message>
  static let messageCount = 128
  /// The headers of the super-frame being cut.
  let template: UnsafeMutablePointer<UInt8>
  /// Zeros behind a short segment.
  private let padding: UnsafeMutablePointer<UInt8>

  init() {
    pieces = .allocate(capacity: PortMemory.pieces)
    pieces.initialize(repeating: iovec(), count: PortMemory.pieces)
    headers = .allocate(capacity: Self.headerBytes)
    unitBytes = .allocate(capacity: PortMemory.pieces)
    unitBytes.initialize(repeating: 0, count: PortMemory.pieces)
    unitFrame = .allocate(capacity: PortMemory.pieces)
    unitFrame.initialize(repeating: 0, count: PortMemory.pieces)
    messages = .allocate(capacity: Self.messageCount)
    messages.initialize(repeating: cplatform_message(), count: Self.messageCount)
    template = .allocate(capacity: Segmenter.headerMax)
    template.initialize(repeating: 0, count: Segmenter.headerMax)
    padding = .allocate(capacity: PortMemory.shortest)
    padding.initialize(repeating: 0, count: PortMemory.shortest)
  }

  /// The next segment as `Segmenter.next` gives it, padded; one iovec more than it says.
  @inline(__always)
  func next(
    _ segmenter: inout Segmenter, header: UnsafeMutablePointer<UInt8>,
    pieces: UnsafeMutablePointer<iovec>
  ) -> (bytes: Int, pieces: Int) {
    let (bytes, used) = segmenter.next(header: header, pieces: pieces)
    if bytes >= PortMemory.shortest { return (bytes, used) }
    pieces[used] = iovec(iov_base: padding, iov_len: PortMemory.shortest &- bytes)
    return (PortMemory.shortest, used &+ 1)
  }

  func deallocate() {
    pieces.deallocate()
    headers.deallocate()
    unitBytes.deallocate()
    unitFrame.deallocate()
    messages.deallocate()
    template.deallocate()
    padding.deallocate()
  }
}

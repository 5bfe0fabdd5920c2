// SPDX-License-Identifier: Apache-2.0
//
// The buffers that all ports of a loop share. Receiving borrows the rx half from the read until the receiver has
// returned, sending the tx half until `send` returns; `send` is called from inside receivers but never delivers, so
// one of each is enough for any number of guests, and stays in the CPU cache.
//
// Thread: loop only. Memory is reserved when made and resident when touched.

import LibC
import CPlatform
import PluginAPI
import Wire

package final class PortMemory {
  /// Maximum frames of one batch to a receiver.
  static let batch = 256
  /// Maximum datagrams of one recvmmsg.
  static let datagrams = 64
  /// Maximum iovecs of one sendmsg (the kernel's UIO_MAXIOV).
  static let pieces = 1024
  /// Room in front of a frame for a length or a vnet header.
  static let frameMax = Int(LND_FRAME_MAX)
  /// The minimum length of an Ethernet frame, without FCS (IEEE 802.3, 4A.2.3.3). NIC models drop shorter ones; QEMU
  /// pads frames from a TAP, but not from a socket.
  static let shortest = EthernetHeader.shortestFrame

  // rx
  /// A TAP's frames, in sequence.
  let arena: UnsafeMutablePointer<UInt8>
  static let arenaBytes = 1088 << 10
  let frames: UnsafeMutablePointer<lnd_frame>

  /// Datagrams: the first `headBytes` of each lie close together, so that small frames use few pages; the rest of a
  /// large one is received behind a gap of the same size, into which its beginning is then copied.
  static let headBytes = 2048
  static let tailStride = (headBytes + frameMax + 63) & ~63
  let heads: UnsafeMutablePointer<UInt8>
  let tails: UnsafeMutablePointer<UInt8>
  let received: UnsafeMutablePointer<cplatform_message>
  let receivedPieces: UnsafeMutablePointer<iovec>
  let addresses: UnsafeMutablePointer<sockaddr_un>

  /// For a stream's reads. One is enough until a read ends inside a frame: the port then keeps the buffer until the
  /// frame is complete, and the next port takes another.
  var streams = BufferPool(bytes: streamBytes, spare: 4)
  static let streamBytes = 1 << 20

  // tx
  let out: SendMemory
  /// Whether `together` is running.
  private(set) var isGathering = false
  private var holders: [Port] = []
  /// For frames that ports hold back (`SendQueue.lend`).
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

  /// Runs a body that sends many small frames one by one, such as the answers to many queries; those to one port are
  /// sent with one system call when it returns. Not reentrant.
  func together(_ body: () -> Void) {
    isGathering = true
    body()
    isGathering = false
    while let port = holders.popLast() { port.sendHeld() }
  }

  /// Registers a port whose held frames `together` sends at its end.
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

/// Scratch memory of one `send`. A value of pointers, so that its use retains nothing.
struct SendMemory {
  /// iovecs of the messages being built, and of one frame beyond the limit.
  let pieces: UnsafeMutablePointer<iovec>
  /// Generated headers, in sequence.
  let headers: UnsafeMutablePointer<UInt8>
  static let headerBytes = 128 << 10
  /// For each unit being built: its bytes on the wire, and the index of the caller's frame it came from.
  let unitBytes: UnsafeMutablePointer<UInt32>
  let unitFrame: UnsafeMutablePointer<Int32>
  let messages: UnsafeMutablePointer<cplatform_message>
  static let messageCount = 128
  /// The headers of the GSO frame being segmented.
  let template: UnsafeMutablePointer<UInt8>
  /// Zeros that pad a short segment.
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

  /// The next segment of `Segmenter.next`, padded; uses one iovec more.
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

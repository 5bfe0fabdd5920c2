// SPDX-License-Identifier: Apache-2.0
//
// The bridge between the plugin ABI and NetStack: the host's functions as a StackHost, frames and events without a copy,
// links, DNS. No other code depends on both. Thread: loop only.

import LimaNetdSDK
import NetStack
import PluginAPI
import Wire

/// Frames and events are passed without a copy: both sides have the same layout.
package enum SharedLayout {
  /// False if the layouts differ; the plugin must not start then.
  package static var holds: Bool {
    framesMatch && slicesMatch && eventsMatch
  }

  private static var framesMatch: Bool {
    isSame(lnd_frame.self, Frame.self)
      && MemoryLayout<lnd_frame>.offset(of: \.data) == MemoryLayout<Frame>.offset(of: \.data)
      && MemoryLayout<lnd_frame>.offset(of: \.length) == MemoryLayout<Frame>.offset(of: \.length)
      && MemoryLayout<lnd_frame>.offset(of: \.slices)
        == MemoryLayout<Frame>.offset(of: \.sliceCount)
      && MemoryLayout<lnd_frame>.offset(of: \.flags) == MemoryLayout<Frame>.offset(of: \.flags)
      && MemoryLayout<lnd_frame>.offset(of: \.gso_type) == MemoryLayout<Frame>.offset(of: \.gsoType)
      && MemoryLayout<lnd_frame>.offset(of: \.gso_size) == MemoryLayout<Frame>.offset(of: \.gsoSize)
      && MemoryLayout<lnd_frame>.offset(of: \.csum_start)
        == MemoryLayout<Frame>.offset(of: \.checksumStart)
      && MemoryLayout<lnd_frame>.offset(of: \.csum_offset)
        == MemoryLayout<Frame>.offset(of: \.checksumOffset)
      && MemoryLayout<lnd_frame>.offset(of: \.hdr_len)
        == MemoryLayout<Frame>.offset(of: \.headerLength)
  }

  private static var slicesMatch: Bool {
    isSame(lnd_slice.self, FrameSlice.self)
      && MemoryLayout<lnd_slice>.offset(of: \.data) == MemoryLayout<FrameSlice>.offset(of: \.data)
      && MemoryLayout<lnd_slice>.offset(of: \.length)
        == MemoryLayout<FrameSlice>.offset(of: \.length)
  }

  private static var eventsMatch: Bool {
    isSame(lnd_fd_event.self, FDEvent.self)
      && MemoryLayout<lnd_fd_event>.offset(of: \.user) == MemoryLayout<FDEvent>.offset(of: \.token)
      && FDEvent(token: 1, events: [.read, .hangup]).asABI.events == LND_FD_READ | LND_FD_HANGUP
  }

  private static func isSame<A, B>(_ a: A.Type, _ b: B.Type) -> Bool {
    MemoryLayout<A>.size == MemoryLayout<B>.size && MemoryLayout<A>.stride == MemoryLayout<B>.stride
      && MemoryLayout<A>.alignment == MemoryLayout<B>.alignment
  }
}

extension FDEvent {
  fileprivate var asABI: lnd_fd_event {
    withUnsafeBytes(of: self) { bytes in
      bytes.count == MemoryLayout<lnd_fd_event>.size
        ? bytes.loadUnaligned(as: lnd_fd_event.self) : lnd_fd_event()
    }
  }
}

extension StackHost {
  /// Nil if the host lacks a function of ABI 1.0.
  init?(_ table: UnsafePointer<lnd_host>) {
    let host = table.pointee
    guard SharedLayout.holds, let send = host.send, let now = host.now_ns, let add = host.fd_add,
      let modify = host.fd_modify, let remove = host.fd_remove, let timer = host.timer_at,
      let cancel = host.timer_cancel
    else { return nil }
    typealias Send = @convention(c) (Context, PortID, UnsafeRawPointer, UInt32) -> UInt32
    self.init(
      context: host.ctx,
      // Both types are the same C function: its argument is the address of an array of frames.
      sendFrames: unsafeBitCast(send, to: Send.self), now: now, addFD: add, modifyFD: modify,
      removeFD: remove, setTimer: timer, cancelTimer: cancel, writeLog: host.log)
  }
}

extension Stack {
  /// Frames from the host; borrowed for the call.
  @inline(__always)
  func rx(_ port: lnd_port, _ frames: UnsafePointer<lnd_frame>, _ count: Int) {
    frames.withMemoryRebound(to: Frame.self, capacity: count) {
      rx(port, $0, UInt32(truncatingIfNeeded: count))
    }
  }

  @inline(__always)
  func onFDs(_ events: UnsafePointer<lnd_fd_event>, _ count: Int) {
    events.withMemoryRebound(to: FDEvent.self, capacity: count) {
      onFDs($0, UInt32(truncatingIfNeeded: count))
    }
  }

  /// See `Stack.awaits`.
  @inline(__always)
  package func awaits(_ frame: UnsafePointer<lnd_frame>, on port: lnd_port) -> Bool {
    frame.withMemoryRebound(to: Frame.self, capacity: 1) { awaits($0, on: port) }
  }
}

extension Wire.Endpoint {
  var asABI: LimaNetdSDK.Endpoint {
    LimaNetdSDK.Endpoint(high: address.high, low: address.low, port: port)
  }
}

extension LinkInfo {
  init(_ info: PortInfo) {
    self.init(
      port: info.port, kind: LinkKind(rawValue: info.kind), mtu: info.mtu,
      offloads: Offloads(rawValue: info.offloads), mac: MACAddress(bytes: info.mac),
      name: info.name)
  }
}

/// DNS of the network through limanetd.dns/1.
final class BrokerResolver: DNSResolver {
  private let dns: HostDNS

  /// Nil if the host does not offer the extension.
  init?(_ host: HostContext) {
    guard let dns = HostDNS(host) else { return nil }
    self.dns = dns
  }

  func query(_ message: ByteView, transport: QuestionTransport, deadline: UInt64) -> OperationID {
    dns.query(
      message.buffer, transport: transport == .udp ? LND_DNS_UDP : LND_DNS_TCP, deadline: deadline)
  }

  func query(
    _ message: ByteView, transport: QuestionTransport, deadline: UInt64, by questioner: Questioner
  ) -> OperationID {
    var query = DNSQuery(
      transport: transport == .udp ? LND_DNS_UDP : LND_DNS_TCP, message: message.buffer,
      deadline: deadline)
    // On a switch's port the station identifies the guest.
    query.port = questioner.port
    query.mac = questioner.mac.bytes
    if let client = questioner.client { query.client = client.asABI }
    if let server = questioner.server { query.server = server.asABI }
    return dns.query(query)
  }

  func cancel(_ operation: OperationID) { dns.cancel(operation) }
}

extension ForwardFailure {
  /// The error for the ABI.
  var asPluginFailure: PluginFailure {
    let status =
      switch reason {
      case .invalid: LND_ERR_INVALID_CONFIG
      case .exists: LND_ERR_EXISTS
      case .notFound: LND_ERR_NOT_FOUND
      case .limit: LND_ERR_LIMIT
      case .system: LND_ERR_SYSTEM
      case .refused: LND_ERR_REFUSED
      case .timedOut: LND_ERR_TIMEOUT
      case .cancelled: LND_ERR_CANCELLED
      }
    return PluginFailure(status, text)
  }
}

extension ForwardedProtocol {
  /// - Parameter number: LND_FORWARD_*
  init(abi number: UInt32) throws(PluginFailure) {
    switch number {
    case LND_FORWARD_TCP: self = .tcp
    case LND_FORWARD_UDP: self = .udp
    case LND_FORWARD_UNIX: self = .unix
    default:
      throw PluginFailure(
        LND_ERR_UNSUPPORTED, "unknown protocol \(number): tcp, udp and unix are known")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The listening socket of one forward. A class: forwards are few and change by commands only; packets use the records
// of UDPForwardTable.swift instead.

import LibC
import Platform
import Wire

/// A forward that listens.
final class ForwardListener {
  let spec: ForwardRule
  let fd: Int32
  /// Of a unix socket.
  private let file: SocketFile?
  var watch: HandleID = 0
  /// Set while accept is paused for want of descriptors.
  var timer: UInt32 = 0
  /// Open TCP connections that it accepted, or UDP clients.
  var connections = 0
  /// Descriptors of those connections.
  var sockets = 0
  /// Whether its clients' sockets inherit the options of a flow's socket.
  var isPrepared: Bool {
    switch spec.kind {
    case .tcp, .tcpOnAll: true
    case .udp, .udpOnAll, .unix: false
    }
  }
  /// UDP clients by time of use.
  var order = UseList()
  /// Replies of this iteration, for a UDP listener.
  var queue = DatagramQueue()

  private init(spec: ForwardRule, fd: Int32, file: SocketFile? = nil) {
    self.spec = spec
    self.fd = fd
    self.file = file
  }

  /// Opens the socket. A host port of 0 is replaced by the one the kernel chose.
  /// - Parameter given: the socket of a unix forward, which is duplicated; nil: it is created.
  static func open(_ spec: ForwardRule, _ given: Int32?, _ calls: SocketCalls)
    throws(ForwardFailure) -> ForwardListener
  {
    switch spec.kind {
    case .unix:
      guard let given else { return try made(spec) }
      do {
        return ForwardListener(spec: spec, fd: try Descriptor.duplicate(given))
      } catch {
        throw .binding(error.errno.rawValue, spec.kind, detail: error.detail)
      }
    case .tcp(let endpoint), .udp(let endpoint):
      return try bound(spec, endpoint, isOnAll: false, calls)
    case .tcpOnAll(let port), .udpOnAll(let port):
      return try bound(spec, Endpoint(.anyV6, port: port), isOnAll: true, calls)
    }
  }

  /// A unix socket and its file.
  private static func made(_ spec: ForwardRule) throws(ForwardFailure) -> ForwardListener {
    switch spec.kind {
    case .unix(let path):
      do {
        let bound = try UnixSocket.serve(path: path)
        return ForwardListener(spec: spec, fd: bound.fd, file: bound.file)
      } catch {
        throw .binding(error.errno.rawValue, spec.kind, detail: error.detail)
      }
    case .tcp, .udp, .tcpOnAll, .udpOnAll:
      throw .invalid("\(spec.kind.host) is no path of a socket")
    }
  }

  private static func bound(
    _ spec: ForwardRule, _ asked: Endpoint, isOnAll: Bool, _ calls: SocketCalls
  ) throws(ForwardFailure) -> ForwardListener {
    let isStream = !spec.kind.isUDP
    let type = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
    var endpoint = asked
    var fd = calls.socket(calls.context, endpoint.address.isV4 ? AF_INET : AF_INET6, type, 0)
    if fd == -EAFNOSUPPORT, isOnAll {
      // The kernel has no IPv6 at all.
      endpoint.address = .anyV4
      fd = calls.socket(calls.context, AF_INET, type, 0)
    }
    guard fd >= 0 else { throw .binding(-fd, spec.kind) }
    let isV4 = endpoint.address.isV4
    if isStream {
      // Connections of an earlier listener in TIME-WAIT must not prevent the bind.
      calls.set(fd, SOL_SOCKET, SO_REUSEADDR, 1)
      calls.prepareListener(fd)
    } else {
      // A socket of both families tells of IPv4 in the form of IPv6 (RFC 3493 §3.7).
      calls.set(
        fd, isV4 ? SocketConstant.levelIP : SocketConstant.levelIPv6,
        isV4 ? SocketConstant.packetInfo : SocketConstant.receivePacketInfoV6, 1)
      calls.set(fd, SOL_SOCKET, SO_RCVBUF, 1 << 20)
      calls.set(fd, SOL_SOCKET, SO_SNDBUF, 1 << 20)
    }
    // [::] does not include 0.0.0.0, whatever net.ipv6.bindv6only says: "*" is both.
    if !isV4 {
      calls.set(fd, SocketConstant.levelIPv6, Int32(IPV6_V6ONLY), isOnAll ? 0 : 1)
    }
    var result = SocketAddress(endpoint).withSockaddr { calls.bind(calls.context, fd, $0, $1) }
    if result >= 0, isStream { result = calls.listen(calls.context, fd, 1024) }
    guard result >= 0 else {
      _ = calls.close(calls.context, fd)
      throw .binding(-result, spec.kind)
    }
    var spec = spec
    if endpoint.port == 0 {
      var address = SocketAddress()
      _ = address.withMutableSockaddr { calls.localAddress(calls.context, fd, $0, $1) }
      spec.kind = spec.kind.with(port: address.endpoint?.port ?? 0)
    }
    return ForwardListener(spec: spec, fd: fd)
  }

  /// Closes the socket and removes its file, unless another socket has replaced it.
  func close(_ stack: StackCore) {
    stack.timers.cancel(timer)
    stack.host.unwatch(watch)
    file?.remove()
    _ = stack.calls.close(stack.calls.context, fd)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Attempts over UDP. Only queries that overlap in time share a socket: it is closed with the last of them, and
// carries at most `questionsPerSocket`. A single query thus has a random port of its own, a flood of queries a new
// one every few milliseconds, and no port exists long enough to be found by probing; a forger must guess port, id and
// question together (RFC 5452 9.2, 10).

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

extension Forwarder {
  private static let questionsPerSocket = 64
  /// Maximum datagrams read from a socket per event.
  private static let maximumReads = 64
  /// More than the advertised 1232 octets; a longer datagram is truncated and then fetched over TCP.
  private static let maximumDatagram = 4096

  func beginDatagram(_ exchange: Exchange, _ server: ServerAddress) -> Beginning {
    let socket: DatagramSocket
    switch self.socket(to: server) {
    case .success(let open): socket = open
    case .failure(.noSocket): return .noSocket
    case .failure(.failed(let error)): return .failed(error)
    }
    var id: UInt16
    repeat {
      id = randomID()
    } while socket.pending[id] != nil
    let message = exchange.message(id: id, to: server)
    let sent = HostDNSSyscalls.send(socket.fd, message[...])
    if let error = Errno(result: sent) {
      // The send may have failed with the ICMP error of an earlier query.
      retire(socket)
      if socket.pending.isEmpty { close(socket) } else { broken.append((socket, error)) }
      return .failed(error)
    }
    socket.asked += 1
    let attempt = Attempt(server, id: id, socket: socket)
    socket.pending[id] = (exchange, attempt)
    return .begun(attempt)
  }

  enum SocketFailure: Error {
    case noSocket
    case failed(Errno)
  }

  private func socket(to server: ServerAddress) -> Result<DatagramSocket, SocketFailure> {
    let open = current.first { $0.server == server }
    let isFull = sockets.count >= Self.maximumSockets
    if let open, open.asked < Self.questionsPerSocket || isFull { return .success(open) }
    if isFull { return .failure(.noSocket) }
    let fd = HostDNSSyscalls.connect(to: server, stream: false)
    if let error = Errno(result: fd) {
      guard HostDNSSyscalls.isOutOfDescriptors(fd) else { return .failure(.failed(error)) }
      if let open { return .success(open) }
      return .failure(isBusy ? .noSocket : .failed(error))
    }
    lastToken &+= 1
    let socket = DatagramSocket(token: lastToken, fd: Int32(fd), server: server)
    socket.watch = host.watch(socket.fd, LND_FD_READ, user: socket.token)
    guard socket.watch != 0 else {
      Descriptor.close(socket.fd)
      return .failure(.failed(.tooManyWatches))
    }
    if let open { retire(open) }
    sockets[socket.token] = socket
    current.append(socket)
    return .success(socket)
  }

  /// No new queries use this socket.
  private func retire(_ socket: DatagramSocket) {
    current.removeAll { $0 === socket }
  }

  func close(_ socket: DatagramSocket) {
    guard sockets.removeValue(forKey: socket.token) != nil else { return }
    retire(socket)
    host.unwatch(socket.watch)
    Descriptor.close(socket.fd)
  }

  /// The server cannot be reached over this socket: all waiting exchanges continue with the next attempt.
  func fail(_ socket: DatagramSocket, _ error: Errno) {
    retire(socket)
    disfavour(socket.server)
    for (exchange, attempt) in Array(socket.pending.values) { failed(attempt, of: exchange, error) }
  }

  func readyDatagrams(_ socket: DatagramSocket) {
    for _ in 0..<Self.maximumReads {
      let (bytes, error) = HostDNSSyscalls.receive(socket.fd, limit: Self.maximumDatagram)
      guard error == 0 else {
        // ECONNREFUSED and similar: an ICMP error was received.
        if !HostDNSSyscalls.isWouldBlock(error) { fail(socket, Errno(error)) }
        return
      }
      guard bytes.count >= DNSHeader.length,
        let (exchange, attempt) = socket.pending[UInt16(bytes[0]) << 8 | UInt16(bytes[1])]
      else {
        counters.strangers &+= 1
        continue
      }
      _ = judge(bytes, exchange, attempt, isCut: bytes.count == Self.maximumDatagram)
      // Closed with its last waiting attempt.
      if sockets[socket.token] == nil { return }
    }
  }
}

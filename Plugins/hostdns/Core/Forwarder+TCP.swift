// SPDX-License-Identifier: Apache-2.0
//
// An attempt over TCP: two octets of length in front of each message (RFC 1035 4.2.2, RFC 7766 8). One query per
// connection.

import DNSMessage
import LimaNetdSDK
import Platform
import PluginAPI

extension Forwarder {
  /// Maximum octets read from a stream per event.
  private static let maximumPiece = 16 << 10

  /// Connects to the server; the query is sent when the connection is established.
  func beginStream(_ exchange: Exchange, _ server: ServerAddress) -> Beginning {
    guard hasStreamToSpare(exchange.share) else { return .noSocket }
    let result = HostDNSSyscalls.connect(to: server, stream: true)
    if let error = Errno(result: result) {
      return HostDNSSyscalls.isOutOfDescriptors(result) && isBusy ? .noSocket : .failed(error)
    }
    lastToken &+= 1
    let attempt = Attempt(server, id: randomID(), token: lastToken, fd: Int32(result))
    let message = exchange.message(id: attempt.id, to: server)
    attempt.unsent = ([UInt8(message.count >> 8), UInt8(message.count & 255)] + message)[...]
    attempt.watch = host.watch(attempt.fd, LND_FD_READ | LND_FD_WRITE, user: attempt.token)
    guard attempt.watch != 0 else {
      Descriptor.close(attempt.fd)
      return .failed(.tooManyWatches)
    }
    return .begun(attempt)
  }

  func readyStream(_ exchange: Exchange, _ attempt: Attempt) {
    if let error = flush(attempt) ?? fill(attempt) {
      disfavour(attempt.server)
      return failed(attempt, of: exchange, error)
    }
    let bytes = attempt.received
    guard bytes.count >= 2 else { return }
    let end = 2 + (Int(bytes[0]) << 8 | Int(bytes[1]))
    guard bytes.count >= end else { return }
    if !judge(Array(bytes[2..<end]), exchange, attempt) { failed(attempt, of: exchange) }
  }

  /// Sends the remaining octets; returns why the connection failed.
  private func flush(_ attempt: Attempt) -> Errno? {
    guard !attempt.unsent.isEmpty else { return nil }
    let count = HostDNSSyscalls.send(attempt.fd, attempt.unsent)
    if let error = Errno(result: count) {
      return HostDNSSyscalls.isWouldBlock(error.rawValue) ? nil : error
    }
    attempt.unsent = attempt.unsent.dropFirst(count)
    if attempt.unsent.isEmpty { host.modify(attempt.watch, LND_FD_READ) }
    return nil
  }

  /// Reads the available octets; returns why the connection failed, at its end ECONNRESET. Bounded by the 65537
  /// octets of a message: a complete one is handled at once.
  private func fill(_ attempt: Attempt) -> Errno? {
    let (bytes, error) = HostDNSSyscalls.receive(attempt.fd, limit: Self.maximumPiece)
    if error != 0 { return HostDNSSyscalls.isWouldBlock(error) ? nil : Errno(error) }
    attempt.received += bytes
    return bytes.isEmpty ? .connectionReset : nil
  }
}

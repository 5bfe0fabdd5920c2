// SPDX-License-Identifier: Apache-2.0
//
// DNSServerExchange: sends a question to a DNS server over UDP or TCP (RFC 1035 §4.2), blocking with a deadline. Only an
// answer to that question is accepted (RFC 5452 §9.1).

import DNSMessage
import Platform

struct DNSServerExchange {
  let server: SocketEndpoint
  let query: DNSMessage

  /// Number of attempts over UDP, and nanoseconds for each; over TCP there is one.
  private static let tries = 3
  private static let tryTime: UInt64 = 2_000_000_000
  private static let streamTime: UInt64 = 6_000_000_000
  /// Maximum bytes read from a stream for the answer.
  private static let streamLimit = 1 << 20

  func overUDP() throws -> [UInt8] {
    do throws(SystemError) {
      let fd = try server.connect(Sockets.datagram)
      defer { Descriptor.close(fd) }
      let message = query.encoded()
      for _ in 0..<Self.tries {
        _ = try Sockets.sendSome(fd, message[...])
        let deadline = MonotonicClock.now() &+ Self.tryTime
        while let bytes = try receive(fd, until: deadline) {
          if isAnswer(bytes) { return bytes }
          if isCut(bytes) { return withoutRecords(bytes) }
        }
      }
    } catch {
      throw failure(error, "UDP")
    }
    throw CommandFailure(
      "\(server) does not answer over UDP: it was asked \(Self.tries) times in \(Self.tries * Int(Self.tryTime / 1_000_000_000)) s",
      remedy: "Is it the right address and port? Over TCP:  --tcp")
  }

  func overTCP() throws -> [UInt8] {
    do throws(SystemError) {
      let fd = try server.connect(Sockets.stream)
      defer { Descriptor.close(fd) }
      let deadline = MonotonicClock.now() &+ Self.streamTime
      let message = query.encoded()
      var output = [UInt8(message.count >> 8), UInt8(message.count & 255)] + message
      while !output.isEmpty {
        guard wait(fd, .write, until: deadline) else { throw SystemError("connect", .timedOut) }
        output.removeFirst(try Sockets.sendSome(fd, output[...]))
      }
      var input: [UInt8] = []
      while input.count < Self.streamLimit, let piece = try receive(fd, until: deadline),
        !piece.isEmpty
      {
        input += piece
        while input.count >= 2 {
          let length = Int(input[0]) << 8 | Int(input[1])
          guard input.count >= 2 + length else { break }
          let bytes = Array(input[2..<2 + length])
          if isAnswer(bytes) { return bytes }
          input.removeFirst(2 + length)
        }
      }
    } catch {
      throw failure(error, "TCP")
    }
    throw CommandFailure(
      "\(server) gives no answer over TCP", remedy: "Is it a DNS server? Over UDP:  --udp")
  }

  private func isAnswer(_ bytes: [UInt8]) -> Bool {
    guard let question = query.questions.first else { return false }
    guard let survey = try? DNSSurvey(bytes) else { return false }
    // A server that cannot parse the question may omit it.
    if survey.header.isResponse, survey.header.id == query.header.id, survey.questionCount == 0 {
      return true
    }
    return survey.answers(question, id: query.header.id, in: bytes)
  }

  /// Truncated within a record: only its TC bit is used (RFC 2181 §9).
  private func isCut(_ bytes: [UInt8]) -> Bool {
    guard let question = query.questions.first else { return false }
    return DNSSurvey.isTruncatedAnswer(bytes, to: question, id: query.header.id)
  }

  private func withoutRecords(_ bytes: [UInt8]) -> [UInt8] {
    let flags = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    let header = DNSHeader(id: query.header.id, flags: flags)
    return DNSMessage(header: header, questions: query.questions).encoded()
  }

  /// - Returns: nil at the deadline; empty at the end of a stream.
  private func receive(_ fd: Int32, until deadline: UInt64) throws(SystemError) -> [UInt8]? {
    while wait(fd, .read, until: deadline) {
      if let bytes = try Sockets.receiveSome(fd) { return bytes }
    }
    return nil
  }

  private func wait(_ fd: Int32, _ events: PollEvents, until deadline: UInt64) -> Bool {
    let now = MonotonicClock.now()
    guard now < deadline else { return false }
    let milliseconds = Int32(clamping: (deadline - now + 999_999) / 1_000_000)
    return (try? Descriptor.wait(fd, events, timeout: milliseconds)) == true
  }

  private func failure(_ error: SystemError, _ transport: String) -> CommandFailure {
    if error.errno == .connectionRefused {
      return CommandFailure(
        "Nobody listens at \(server) (\(transport))",
        remedy: "A DNS plugin on loopback:  lima-netd dns serve --port \(server.port)")
    }
    return CommandFailure(
      "\(server) cannot be asked over \(transport): \(error)",
      remedy: "Is it the right address? Is there a way to it:  ip route get ADDRESS")
  }
}

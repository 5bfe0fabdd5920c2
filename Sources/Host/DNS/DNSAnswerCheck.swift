// SPDX-License-Identifier: Apache-2.0
import DNSMessage

/// A DNS plugin's answer, checked and brought into the form its client can take.
enum DNSAnswerCheck {
  case fits([UInt8])
  /// No DNS message, or no answer.
  case malformed
  /// An answer to something else: another id, opcode or question.
  case mismatch
  /// An RCODE of more than four bits for a client that could not read it.
  case unspeakable

  /// - Parameters:
  ///   - answer: what the plugin gave.
  ///   - askedID: the id of the message the plugin was given.
  init(_ answer: [UInt8], askedID: UInt16, query: DNSClientQuery) {
    guard let survey = try? DNSSurvey(answer), survey.header.isResponse else {
      self = .malformed
      return
    }
    guard survey.answers(query.question, id: askedID, in: answer) else {
      self = .mismatch
      return
    }
    var bytes = survey.end == answer.count ? answer : Array(answer[..<survey.end])
    var additionalCount = survey.additionalCount
    if let range = survey.optRange {
      if query.edns == nil {
        // RFC 6891 7: no OPT for those who sent none. What follows it is
        // additional, too, and goes: pointers into it would move.
        guard survey.edns(of: answer)?.extendedCode == 0 else {
          self = .unspeakable
          return
        }
        bytes.removeLast(bytes.count - range.lowerBound)
        additionalCount = survey.recordsBeforeOPT
      } else {
        // OPT is hop by hop (RFC 6891 6.1.1): the size in it must be ours. It
        // follows the root's one octet (or pointer) and the type.
        let classOffset = range.lowerBound + (answer[range.lowerBound] == 0 ? 3 : 4)
        bytes[classOffset] = UInt8(DNSClientQuery.ownUDPSize >> 8)
        bytes[classOffset + 1] = UInt8(DNSClientQuery.ownUDPSize & 255)
      }
    } else if let edns = query.answerEDNS(), bytes.count <= 65535 - edns.encodedLength {
      bytes.append(0)
      for value in [
        DNSType.opt.rawValue, edns.udpSize, UInt16(edns.ttlField >> 16),
        UInt16(truncatingIfNeeded: edns.ttlField), 0,
      ] {
        bytes.append(UInt8(value >> 8))
        bytes.append(UInt8(value & 255))
      }
      additionalCount += 1
    }
    bytes[10] = UInt8(truncatingIfNeeded: additionalCount >> 8)
    bytes[11] = UInt8(truncatingIfNeeded: additionalCount)
    // The client's id, its RD and CD, and its question letter for letter.
    var header = DNSHeader(id: query.header.id, flags: survey.header.flags)
    header.recursionDesired = query.header.recursionDesired
    header.checkingDisabled = query.header.checkingDisabled
    Self.put(header, into: &bytes)
    for index in DNSHeader.length..<query.questionEnd { bytes[index] = query.message[index] }
    self = .fits(
      bytes.count <= query.answerLimit ? bytes : Self.truncated(header, query, survey, answer))
  }

  /// What a UDP client gets when the answer is too large: header with TC,
  /// question and OPT; it asks again over TCP (RFC 2181 9, RFC 7766 5).
  private static func truncated(
    _ header: DNSHeader, _ query: DNSClientQuery, _ survey: DNSSurvey, _ answer: [UInt8]
  ) -> [UInt8] {
    var header = header
    header.isTruncated = true
    var edns = query.answerEDNS()
    edns?.extendedCode = survey.edns(of: answer)?.extendedCode ?? 0
    return DNSMessage(header: header, questions: [query.question], edns: edns)
      .encoded(limit: query.answerLimit)
  }

  private static func put(_ header: DNSHeader, into bytes: inout [UInt8]) {
    bytes[0] = UInt8(header.id >> 8)
    bytes[1] = UInt8(header.id & 255)
    bytes[2] = UInt8(header.flags >> 8)
    bytes[3] = UInt8(header.flags & 255)
  }
}

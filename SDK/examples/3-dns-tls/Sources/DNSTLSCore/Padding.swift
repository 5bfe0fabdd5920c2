// SPDX-License-Identifier: Apache-2.0
//
// Padding of questions (RFC 7830) to multiples of 128 octets (RFC 8467 §4.1), so that their length does not reveal the name
// to an observer. Servers then pad their answers, too; the padding is removed here, as it would take room in the guest's
// datagram.

enum Padding {
  private static let block = 128
  private static let option: UInt16 = 12
  /// Root, OPT, UDP payload size 1232, no flags, no data (RFC 6891 §6.1.2).
  private static let emptyOPT: [UInt8] = [0, 0, 41, 0x04, 0xD0, 0, 0, 0, 0, 0, 0]

  /// The question with padding, in a new OPT record if it has none. Unchanged if its last record is not OPT, but a
  /// signature for example.
  static func pad(_ query: [UInt8]) -> [UInt8] {
    var message = query
    if let opt = lastOPT(of: message) {
      guard strip(&message, opt) else { return query }
    } else {
      guard query.count >= 12, additionalCount(message) == 0 else { return query }
      message += emptyOPT
      message[11] = 1
    }
    guard let opt = lastOPT(of: message) else { return query }
    let length = message.count + 4
    let padding = (block - length % block) % block
    guard message.count - opt - 11 + 4 + padding <= 65535, length + padding <= 65535 else {
      return query
    }
    message += [0, UInt8(option)] + number(padding) + [UInt8](repeating: 0, count: padding)
    message.replaceSubrange((opt + 9)..<(opt + 11), with: number(message.count - opt - 11))
    return message
  }

  /// The answer without padding; also without OPT if the question had none.
  static func unpad(_ answer: [UInt8], to query: [UInt8]) -> [UInt8] {
    var message = answer
    guard let opt = lastOPT(of: message) else { return answer }
    if additionalCount(query) == 0 {
      message.removeSubrange(opt...)
      let count = additionalCount(message) - 1
      message.replaceSubrange(10..<12, with: number(count))
      return message
    }
    return strip(&message, opt) ? message : answer
  }

  /// Removes the padding of the OPT record at `opt`, the message's last; false if it is malformed.
  private static func strip(_ message: inout [UInt8], _ opt: Int) -> Bool {
    var kept: [UInt8] = []
    var at = opt + 11
    while at < message.count {
      guard at + 4 <= message.count else { return false }
      let end = at + 4 + value(message, at + 2)
      guard end <= message.count else { return false }
      if value(message, at) != Int(option) { kept += message[at..<end] }
      at = end
    }
    message.replaceSubrange((opt + 11)..., with: kept)
    message.replaceSubrange((opt + 9)..<(opt + 11), with: number(kept.count))
    return true
  }

  /// Offset of the message's last record if that is an OPT record and the message is well-formed.
  private static func lastOPT(of message: [UInt8]) -> Int? {
    guard message.count >= 12 else { return nil }
    var at = 12
    for _ in 0..<value(message, 4) {
      guard let end = nameEnd(message, at), end + 4 <= message.count else { return nil }
      at = end + 4
    }
    var last: Int?
    for _ in 0..<value(message, 6) + value(message, 8) + additionalCount(message) {
      guard let end = nameEnd(message, at), end + 10 <= message.count else { return nil }
      last = message[at] == 0 && value(message, end) == 41 ? at : nil
      at = end + 10 + value(message, end + 8)
    }
    return additionalCount(message) > 0 && at == message.count ? last : nil
  }

  /// The offset after a name (RFC 1035 §4.1.4); nil if the message ends before.
  private static func nameEnd(_ message: [UInt8], _ start: Int) -> Int? {
    var at = start
    while at < message.count {
      switch message[at] {
      case 0: return at + 1
      case 0xC0...: return at + 2
      case let length: at += 1 + Int(length)
      }
    }
    return nil
  }

  private static func additionalCount(_ message: [UInt8]) -> Int {
    message.count < 12 ? 0 : value(message, 10)
  }

  private static func value(_ message: [UInt8], _ at: Int) -> Int {
    Int(message[at]) << 8 | Int(message[at + 1])
  }

  private static func number(_ value: Int) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
  }
}

// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import DNSTLSCore

@Suite struct PaddingTests {
  /// "a.test" A, with additional records.
  private func query(_ additional: [[UInt8]] = []) -> [UInt8] {
    [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, UInt8(additional.count), 1, 0x61, 4]
      + Array("test".utf8) + [0, 0, 1, 0, 1] + additional.joined()
  }

  private func opt(_ data: [UInt8]) -> [UInt8] {
    [0, 0, 41, 0x10, 0, 0, 0, 0x80, 0, 0, UInt8(data.count)] + data
  }

  private let cookie: [UInt8] = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]

  @Test(arguments: 1...250)
  func everyQuestionIsAMultipleOf128Octets(length: Int) {
    let label = [UInt8](repeating: 0x61, count: min(length, 63))
    var name: [UInt8] = []
    while name.count + label.count + 1 <= length { name += [UInt8(label.count)] + label }
    let bare = [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 0, 1, 0, 1]
    let padded = Padding.pad(bare)
    #expect(padded.count % 128 == 0 && padded.count < bare.count + 160)
    #expect(Array(padded[12..<bare.count]) == Array(bare[12...]))
    #expect(Padding.unpad(padded, to: bare) == bare)
  }

  @Test func otherOptionsAndFlagsStayAndOldPaddingGoes() {
    let plain = query([opt(cookie)])
    let padded = Padding.pad(plain)
    #expect(padded.count == 128)
    #expect(Padding.pad(padded) == padded)
    #expect(Padding.unpad(padded, to: plain) == plain)
    #expect(Padding.pad(query([opt([0, 12, 0, 3, 0, 0, 0] + cookie)])) == padded)
  }

  @Test func aQuestionThatEndsWithAnotherRecordIsLeftAlone() {
    let signature: [UInt8] = [0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 0]
    for message in [query([signature]), query([opt([]), signature]), query([opt([0, 12, 0, 9])])] {
      #expect(Padding.pad(message) == message)
      #expect(Padding.unpad(message, to: query([opt([])])) == message)
    }
  }

  @Test func nothingAMessageHoldsDoesHarm() {
    var random = SystemRandomNumberGenerator()
    let whole = Padding.pad(query([opt(cookie)]))
    for _ in 0..<20_000 {
      var message = Array(whole.prefix(Int.random(in: 0...whole.count, using: &random)))
      for _ in 0..<Int.random(in: 0...4, using: &random) where !message.isEmpty {
        message[Int.random(in: message.indices, using: &random)] = .random(in: 0...255)
      }
      _ = Padding.pad(message)
      _ = Padding.unpad(message, to: query())
      _ = Padding.unpad(message, to: whole)
    }
  }
}

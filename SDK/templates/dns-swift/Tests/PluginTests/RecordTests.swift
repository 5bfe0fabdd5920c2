// SPDX-License-Identifier: Apache-2.0
//
// Tests of questions and their answers.

import PluginCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct RecordTests {
  private let record: Record

  init() throws { record = try #require(Record(name: "Printer.lab", address: [192, 0, 2, 7])) }

  private func query(_ labels: [String], _ type: UInt8) -> [UInt8] {
    let name = labels.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    return [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + name + [0, 0, type, 0, 1]
  }

  @Test func theNameHasItsAddressInAnyCase() throws {
    let answer = try #require(record.answer(query(["pRINTER", "lab"], 1)))
    #expect(Array(answer[..<8]) == [0x12, 0x34, 0x85, 0, 0, 1, 0, 1])
    #expect(Array(answer.suffix(4)) == [192, 0, 2, 7])
  }

  @Test func itsOtherTypesHaveNoDataAndOtherNamesAreRefused() throws {
    let none = try #require(record.answer(query(["printer", "lab"], 28)))
    #expect(none[3] & 15 == 0 && none[7] == 0)
    let other = try #require(record.answer(query(["other", "lab"], 1)))
    #expect(other[3] & 15 == 5)
  }

  @Test func aMessageThatEndsAnywhereIsNotAnswered() {
    let whole = query(["printer", "lab"], 1)
    for end in 0..<whole.count { #expect(record.answer(Array(whole[..<end])) == nil) }
    #expect(record.answer(Array(whole[..<12]) + [0xc0, 12, 0, 1, 0, 1]) == nil)
  }

  @Test(arguments: ["", "a..b", String(repeating: "a", count: 64)])
  func whatIsNoNameIsTold(_ text: String) {
    #expect(Record(name: text, address: [192, 0, 2, 7]) == nil)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// DNS questions for a plugin under test, as the host passes them: well-formed, opcode 0, one question.

enum CheckQuestions {
  static func question(_ name: String, type: UInt16, id: UInt16 = 0x4321, padding: Int = 0)
    -> [UInt8]
  {
    var message = two(id) + [1, 0, 0, 1, 0, 0, 0, 0, 0, padding > 0 ? 1 : 0]
    for label in name.split(separator: ".") {
      message += [UInt8(label.utf8.count)] + Array(label.utf8)
    }
    message += [0] + two(type) + [0, 1]
    guard padding > 0 else { return message }
    // OPT with EDNS padding (RFC 7830).
    let rest = two(12) + two(UInt16(padding)) + [UInt8](repeating: 0, count: padding)
    return message + [0, 0, 41, 0x10, 0, 0, 0, 0, 0] + two(UInt16(rest.count)) + rest
  }

  /// A question with a random name, type and class.
  static func odd(_ numbers: inout SeededNumbers) -> [UInt8] {
    var message =
      two(UInt16.random(in: 0...UInt16.max, using: &numbers)) + [1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    var left = Int.random(in: 0...254, using: &numbers)
    while left > 1 {
      let label = Int.random(in: 1...min(63, left - 1), using: &numbers)
      message.append(UInt8(label))
      for _ in 0..<label { message.append(UInt8.random(in: 0...255, using: &numbers)) }
      left -= label + 1
    }
    return message + [0] + two(UInt16.random(in: 0...UInt16.max, using: &numbers))
      + two(UInt16.random(in: 0...300, using: &numbers))
  }

  private static func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 255)] }
}

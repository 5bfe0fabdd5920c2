// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Daemon

@Suite("YAML reader", .timeLimit(.minutes(5)))
struct YAMLReaderTests {
  func problem(_ bytes: [UInt8]) -> YAMLError? {
    do {
      _ = try YAMLReader.read(bytes)
      return nil
    } catch {
      return error
    }
  }

  func problem(_ text: String) -> YAMLError? { problem(Array(text.utf8)) }

  @Test func `a file beyond 1 MiB is refused`() {
    let bytes = [UInt8](repeating: UInt8(ascii: "#"), count: (1 << 20) + 1)
    #expect(problem(bytes)?.problem == .tooLarge(bytes: (1 << 20) + 1, limit: 1 << 20))
    #expect(problem(Array(bytes.dropLast())) == nil)
  }

  @Test func `depth is bounded`() {
    let deep = String(repeating: "[", count: 33) + String(repeating: "]", count: 33)
    #expect(problem(deep)?.problem == .tooDeep(limit: 32))
    #expect(problem(String(deep.dropFirst().dropLast())) == nil)
    #expect(problem(String(repeating: "{a: ", count: 5000))?.problem == .tooDeep(limit: 32))
  }

  @Test func `aliases cannot multiply`() {
    var text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    for level in 1...20 {
      let previous = "*a\(level - 1)"
      text +=
        "a\(level): &a\(level) [\(Array(repeating: previous, count: 9).joined(separator: ","))]\n"
    }
    #expect(problem(text)?.problem == .tooManyNodes(limit: 20_000))
  }

  @Test func `aliases cannot make a tree deeper than the limit`() {
    var text = "a0: &a0 [x]\n"
    for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(problem(text)?.problem == .tooDeep(limit: 32))
  }

  @Test func `bytes that are no UTF-8 are told by line and column`() {
    #expect(problem(Array("a: 1\nb: ".utf8) + [0xff, 0xfe])?.mark == Mark(line: 2, column: 4))
  }

  @Test func `a byte order mark says the encoding and is no part of the text`() throws {
    let text = "a: \u{e9}\r\nb: [1, 2]\r\n"
    let plain = try #require(try YAMLReader.read(Array(text.utf8)))
    func utf16(_ text: String, little: Bool) -> [UInt8] {
      text.utf16.flatMap { unit -> [UInt8] in
        let pair = [UInt8(unit & 255), UInt8(unit >> 8)]
        return little ? pair : pair.reversed()
      }
    }
    for bytes in [
      Array("\u{feff}\(text)".utf8), utf16("\u{feff}\(text)", little: true),
      utf16("\u{feff}\(text)", little: false),
    ] {
      let node = try #require(try YAMLReader.read(bytes))
      #expect(node.jsonValue == plain.jsonValue)
      #expect(node.mark == Mark(line: 1, column: 1))
    }
    #expect(try YAMLReader.read(Array("\u{feff}".utf8)) == nil)
    for little in [true, false] {
      let error = try #require(problem(utf16(text, little: little)))
      #expect(
        ConfigProblem.sentence(error.problem)
          == "looks like UTF-16 without a byte order mark: save it as UTF-8")
    }
  }

  @Test func `what editors hide is told with what to do about it`() throws {
    for (bytes, remedy) in [
      (Array("a: \t\n\tb: 1\n".utf8), "indent with spaces"),
      (Array("a: caf".utf8) + [0xe9, 0x0a], "save the file as UTF-8"),
      (Array("a: \u{7}\n".utf8), "characters"),
      (Array("a: 1\r\na: 2\r\n".utf8), "is there twice, first at line 1"),
    ] {
      let error = try #require(problem(bytes))
      let text = ConfigProblem(.yaml(error.problem), mark: error.mark).text(file: "x")
      #expect(text.contains(remedy), "\(text)")
    }
  }

  @Test func `any bytes give a tree or an error`() {
    var generator = SystemRandomNumberGenerator()
    let alphabet = Array("ab: -[]{}&*!|>'\"%@`#,?\n\t \u{0}é0".utf8)
    for _ in 0..<5000 {
      let count = Int.random(in: 0..<60, using: &generator)
      let bytes = (0..<count).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      do {
        if let node = try YAMLReader.read(bytes) { _ = node.jsonValue.text }
      } catch {
        _ = ConfigProblem(.yaml(error.problem), mark: error.mark).text(file: "x")
      }
    }
  }

  @Test func `strings, numbers and words have their types`() throws {
    let node = try #require(
      try YAMLReader.read(
        Array(
          "[1, -2, 0x1f, 0o17, 1.5, 1e3, true, False, null, ~, yes, '1', \"true\", 1_000, .inf, 08]"
            .utf8)))
    #expect(
      node.jsonValue == [
        1, -2, 31, 15, .double(1.5), .double(1000), true, false, nil, nil, "yes", "1", "true",
        "1_000", ".inf", 8,
      ])
  }
}

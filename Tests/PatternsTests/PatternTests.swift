// SPDX-License-Identifier: Apache-2.0

import Patterns
import Testing

@Suite(.timeLimit(.minutes(5)))
struct PatternTests {
  /// An expression, texts in which it is found, and others.
  private static let table: [(String, found: [String], missing: [String])] = [
    ("", ["", "a"], []),
    ("a", ["a", "cab"], ["", "A", "b"]),
    ("^vm\\d+$", ["vm1", "vm012"], ["vm", "vm1x", "xvm1", "vmd"]),
    ("^[a-z][-a-z0-9]*$", ["a", "a-1"], ["", "1a", "a_"]),
    ("^(?:web|db)-[0-9]{2,3}$", ["web-01", "db-123"], ["web-1", "db-1234", "x-01"]),
    ("a|b|", ["", "c"], []),
    ("^(|a)b$", ["b", "ab"], ["aab"]),
    ("^a.c$", ["abc", "a.c", "aéc"], ["ac", "a\nc", "a\u{2028}c"]),
    ("(?s)^a.c$", ["a\nc"], ["ac"]),
    ("^\\w+\\s\\S$", ["ab_9 ?", "a\u{a0}b"], ["é b", "a  b", "a "]),
    ("^[^\\d\\s]+$", ["ab"], ["a1", "a b", ""]),
    ("^[\\W]$", ["-", "é"], ["a", "_"]),
    ("\\bcat\\b", ["cat", "a cat.", "cat-x"], ["cats", "_cat"]),
    ("a\\Bb", ["ab"], ["a b"]),
    ("^a{3}$", ["aaa"], ["aa", "aaaa"]),
    ("^a{2,}$", ["aa", "aaaaaa"], ["a"]),
    ("^(a{2}){2}$", ["aaaa"], ["aaa", "aaaaaa"]),
    ("^a{0}b$", ["b"], ["ab"]),
    ("^a+?b*?c??$", ["a", "aabbc"], ["c"]),
    ("a{,2}", ["a{,2}"], ["aa"]),
    ("x{", ["x{"], ["x"]),
    ("^]}$", ["]}"], []),
    ("^[]a]$", ["]", "a"], ["b"]),
    ("^[^]a]$", ["b"], ["]", "a"]),
    ("^[a-]$", ["a", "-"], ["b"]),
    ("^[[:alpha:]_]+$", ["ab_"], ["a1"]),
    ("^[[:^digit:]]$", ["a"], ["1"]),
    ("^[\\x41-\\x43\\u0064]$", ["A", "B", "C", "d"], ["D", "a"]),
    ("^\\x{1F600}$", ["\u{1F600}"], ["x"]),
    ("^\\.\\*\\[\\\\\\-\\_\\/$", [".*[\\-_/"], ["a"]),
    ("(?i)^Ab[c-d]$", ["aBC", "abD"], ["abe"]),
    ("^(?i:a)b$", ["Ab", "ab"], ["AB"]),
    ("^(?i)a(?-i)b$", ["Ab"], ["AB"]),
    ("^((?i)a)b$", ["Ab"], ["AB"]),
    ("^(?<host>a)(?P<n>b)$", ["ab"], ["a"]),
    ("\\Aab\\z", ["ab"], ["abc", "xab"]),
    ("^$", [""], ["a", "\n"]),
    ("a$", ["a"], ["a\n"]),
    ("^(a*)*$", ["", "aaa"], ["b"]),
    ("^(a|b)*c$", ["c", "abac"], ["abd"]),
    ("日本", ["これは日本語"], ["日"]),
  ]

  @Test(arguments: table.indices) func `a pattern is found where the dialect says`(index: Int)
    throws
  {
    let (text, found, missing) = Self.table[index]
    let pattern = try Pattern(text)
    for sample in found { #expect(pattern.matches(sample), "\(text) in \(sample)") }
    for sample in missing { #expect(!pattern.matches(sample), "\(text) in \(sample)") }
  }

  @Test func `case can be ignored from outside`() throws {
    let pattern = try Pattern("^VM[a-f]$", ignoringCase: true)
    #expect(pattern.matches("vmA") && pattern.matches("VMf") && !pattern.matches("vmg"))
  }

  @Test(arguments: [
    ("(", 0, "a group is not closed"), ("a)", 1, "a group is closed that is not open"),
    ("*a", 0, "there is nothing to repeat"), ("a|+", 2, "there is nothing to repeat"),
    ("^*", 1, "there is nothing to repeat"), ("a**", 2, "a repetition of a repetition"),
    ("a{2}{3}", 4, "a repetition of a repetition"), ("a{3,2}", 1, "the least of a repetition"),
    ("a{257}", 1, "a repetition is of 256 at most"), ("a{99999999999999999999}", 1, "256 at most"),
    ("[a", 0, "a bracket is not closed"), ("[b-a]", 4, "a range's end is before its start"),
    ("[a-\\d]", 5, "a range ends in a class"), ("[[:nix:]]", 1, "there is no such class"),
    ("(a)\\1", 4, "back-references"), ("a(?=b)", 3, "look-ahead"), ("(?!b)", 2, "look-ahead"),
    ("(?<=b)", 3, "look-behind"), ("(?<!b)", 3, "look-behind"), ("\\p{L}", 1, "\\p"),
    ("\\q", 1, "\\q is not known"), ("a\\", 2, "a backslash ends"), ("(?", 0, "not closed"),
    ("\\x4", 2, "hexadecimal"), ("\\x{110000}", 2, "hexadecimal"),
    ("(?x)a", 2, "this kind of group"),
  ]) func `what is not of the dialect is refused with its place`(
    text: String, offset: Int, reason: String
  ) {
    let failure = #expect(throws: Pattern.Failure.self) { _ = try Pattern(text) }
    #expect(failure?.offset == offset, "\(text): \(failure?.description ?? "")")
    #expect(failure?.reason.contains(reason) == true, "\(text): \(failure?.description ?? "")")
  }

  @Test func `size, length and nesting are bounded`() throws {
    #expect(throws: Pattern.Failure.self) { try Pattern(String(repeating: "a", count: 1025)) }
    #expect(throws: Pattern.Failure.self) { try Pattern("((a{100}){100}){100}") }
    #expect(throws: Pattern.Failure.self) { try Pattern("(((a{256}){256}){256}){256}") }
    #expect(throws: Pattern.Failure.self) {
      try Pattern(String(repeating: "(", count: 40) + String(repeating: ")", count: 40))
    }
    let nested = String(repeating: "(", count: 31) + "a" + String(repeating: ")", count: 31)
    #expect(try Pattern(nested).matches("a"))
    #expect(try Pattern("(a{20}){20}").size <= Pattern.maximumSize)
    // Empty loops in loops take no memory either.
    #expect(throws: Pattern.Failure.self) {
      try Pattern("((){256}){256}" + "((){256}){256}a{256}a{256}a{256}a{256}")
    }
  }

  /// What takes a matcher that goes back and forth 2^n steps is n times the expression's size here.
  @Test(arguments: ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*)*(.*)*(.*)*x", "^(a?){100}a{100}$"])
  func `nothing takes more than its size for each character`(text: String) throws {
    let pattern = try Pattern(text)
    let sample = String(repeating: "a", count: 1000) + "!"
    #expect(pattern.size <= Pattern.maximumSize)
    #expect(!pattern.matches(sample))
  }

  /// Against a matcher of the plainest kind, for small expressions over two letters.
  @Test func `all small expressions match as their definition says`() throws {
    let atoms = ["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab)", "()", "(a*)", "(|b)"]
    let repeats = ["", "*", "+", "?", "{2}", "{1,2}", "{0,1}"]
    let texts = ["", "a", "b", "ab", "ba", "aa", "bb", "aab", "aba", "abab", "bbb", "c"]
    for first in atoms {
      for (count, second) in zip(0..., atoms) {
        let times = (repeats[count % 7], repeats[(count / 2) % 7])
        let text = "^\(first)\(times.0)\(second)\(times.1)$"
        let pattern = try Pattern(text)
        for sample in texts {
          let ends = Naive.ends(first, times.0, sample[...]).flatMap {
            Naive.ends(second, times.1, $0)
          }
          #expect(pattern.matches(sample) == ends.contains { $0.isEmpty }, "\(text) in \(sample)")
        }
      }
    }
  }
}

/// What is left of a text after each way that an atom can match.
private enum Naive {
  static func once(_ atom: String, _ text: Substring) -> [Substring] {
    func letter(_ isOne: (Character) -> Bool) -> [Substring] {
      text.first.map(isOne) == true ? [text.dropFirst()] : []
    }
    switch atom {
    case "a", "b": return letter { $0 == atom.first }
    case ".": return letter { _ in true }
    case "[ab]", "(a|b)": return letter { $0 == "a" || $0 == "b" }
    case "[^a]": return letter { $0 != "a" }
    case "(ab)": return text.hasPrefix("ab") ? [text.dropFirst(2)] : []
    case "()": return [text]
    case "(a*)": return (0...text.prefix { $0 == "a" }.count).map { text.dropFirst($0) }
    default: return [text] + letter { $0 == "b" }
    }
  }

  static func ends(_ atom: String, _ times: String, _ text: Substring) -> [Substring] {
    let (least, most): (Int, Int) =
      switch times {
      case "": (1, 1)
      case "*": (0, text.count + 1)
      case "+": (1, text.count + 1)
      case "{2}": (2, 2)
      case "{1,2}": (1, 2)
      default: (0, 1)
      }
    var states: Set<Substring> = [text]
    var ends: Set<Substring> = least == 0 ? states : []
    for count in 1...max(most, 1) where count <= most {
      states = Set(states.flatMap { once(atom, $0) })
      if count >= least { ends.formUnion(states) }
    }
    return Array(ends)
  }
}

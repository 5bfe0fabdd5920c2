// SPDX-License-Identifier: Apache-2.0
//
// Pattern: the regular expressions of users, plugins and API clients: `pattern` of a plugin's schema, `Regexp` of a
// zone's record. There is one dialect and one matcher, so that an expression validated in one process matches alike
// in another.
//
// The dialect is the common subset of RE2 (gvproxy's zones) and ECMA-262 (JSON Schema) with equal meaning;
// docs/patterns.md describes it for users. Constructs that only one of them has, or that need backtracking
// (back-references, look-around), are refused with a reason.
//
// Matching simulates all paths through the expression at the same time (Thompson's construction): it takes at most
// `size` steps per character of the text, and memory that does not grow with the text. `size` is bounded by
// `maximumSize`, after expansion of counted repetitions. A value; any thread.

package struct Pattern: Sendable {
  /// Maximum octets of an expression.
  package static let maximumLength = 1024
  /// Maximum steps of a compiled expression: its characters, with counted repetitions expanded.
  package static let maximumSize = 512
  /// The same for all expressions together that one text is matched against.
  package static let maximumSizeTogether = 2048
  /// Maximum of `{n}` and `{n,m}`, and maximum nesting of groups.
  package static let maximumRepetition = 256
  package static let maximumDepth = 32

  /// Why an expression is refused.
  package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// In characters (Unicode scalars) from the start of the expression.
    package let offset: Int
    package let reason: String

    package var description: String { "\(reason) (at character \(offset + 1))" }
  }

  let program: [PatternStep]
  let sets: [PatternSet]

  /// - Parameter ignoringCase: for the letters A to Z; an expression can set it itself with `(?i)`.
  package init(_ text: String, ignoringCase: Bool = false) throws(Failure) {
    guard text.utf8.count <= Self.maximumLength else {
      throw Failure(offset: 0, reason: "it is longer than \(Self.maximumLength) octets")
    }
    var parser = PatternParser(text, ignoringCase: ignoringCase)
    let node = try parser.parse()
    var compiler = PatternCompiler()
    try compiler.add(node)
    compiler.finish()
    (program, sets) = (compiler.program, compiler.sets)
  }

  /// Maximum steps per character of a text.
  package var size: Int { program.count }

  /// Whether it matches anywhere in the text; `^` and `$` anchor it to start and end.
  package func matches(_ text: String) -> Bool {
    var run = PatternRun(program: program, sets: sets)
    return run.search(text.unicodeScalars)
  }
}

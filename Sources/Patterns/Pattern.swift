// SPDX-License-Identifier: Apache-2.0
//
// Pattern: the regular expressions that users, plugins and API clients write: `pattern` of a plugin's schema, `Regexp`
// of a zone's record. One dialect and one matcher, so that what is checked in one process is what is matched in another.
//
// The dialect is what RE2 (gvproxy's zones) and ECMA-262 (JSON Schema) have in common and mean alike; docs/patterns.md
// has it for users. What only one of them has, or a matcher could only do by trying again and again (back-references,
// look-around), is refused with a reason.
//
// Matching follows all ways through the expression at the same time (Thompson's construction): it takes at most
// `size` steps for each character of the text and no memory that grows with the text. `size` is bounded by
// `maximumSize`, with counted repetitions written out. A value; any thread.

package struct Pattern: Sendable {
  /// Octets of an expression.
  package static let maximumLength = 1024
  /// Steps of a compiled expression: its characters, with counted repetitions written out.
  package static let maximumSize = 512
  /// The same for all expressions together that one text is held against.
  package static let maximumSizeTogether = 2048
  /// Of `{n}` and `{n,m}`; and how deep groups may be nested.
  package static let maximumRepetition = 256
  package static let maximumDepth = 32

  /// Why an expression is not taken.
  package struct Failure: Error, Hashable, Sendable, CustomStringConvertible {
    /// In characters (Unicode scalars) from the start of the expression.
    package let offset: Int
    package let reason: String

    package var description: String { "\(reason) (at character \(offset + 1))" }
  }

  let program: [PatternStep]
  let sets: [PatternSet]

  /// - Parameter ignoringCase: of the letters A to Z; an expression can ask for it itself with `(?i)`.
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

  /// Steps that one character of a text takes at most.
  package var size: Int { program.count }

  /// Whether it is found anywhere in the text, which `^` and `$` restrict to its start and end.
  package func matches(_ text: String) -> Bool {
    var run = PatternRun(program: program, sets: sets)
    return run.search(text.unicodeScalars)
  }
}

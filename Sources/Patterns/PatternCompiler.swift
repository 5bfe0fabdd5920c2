// SPDX-License-Identifier: Apache-2.0
//
// PatternCompiler: compiles a tree to steps (Thompson's construction). Counted repetitions are expanded, up to the
// bound.

enum PatternStep: Sendable {
  /// A character of that set, then the next step.
  case character(set: Int)
  case assertion(PatternAssertion)
  case split(Int, Int)
  case jump(Int)
  case match
}

struct PatternCompiler {
  private(set) var program: [PatternStep] = []
  private(set) var sets: [PatternSet] = []

  mutating func finish() { program.append(.match) }

  private mutating func append(_ step: PatternStep) throws(Pattern.Failure) {
    // One step is reserved for the match.
    guard program.count < Pattern.maximumSize - 1 else {
      throw Pattern.Failure(
        offset: 0,
        reason:
          "it is too large: repetitions written out, \(Pattern.maximumSize) characters at most")
    }
    program.append(step)
  }

  mutating func add(_ node: PatternNode) throws(Pattern.Failure) {
    switch node {
    case .empty: break
    case .set(let set):
      let index = sets.firstIndex(of: set) ?? sets.count
      if index == sets.count { sets.append(set) }
      try append(.character(set: index))
    case .assertion(let assertion): try append(.assertion(assertion))
    case .sequence(let nodes):
      for node in nodes { try add(node) }
    case .choice(let nodes): try add(choice: nodes)
    case .repetition(let node, let minimum, let maximum):
      for _ in 0..<minimum { try add(node) }
      guard let maximum else { return try add(loop: node) }
      try add(node, optionally: maximum - minimum)
    }
  }

  private mutating func add(choice nodes: [PatternNode]) throws(Pattern.Failure) {
    var ends: [Int] = []
    for (index, node) in nodes.enumerated() {
      guard index < nodes.count - 1 else {
        try add(node)
        break
      }
      let split = program.count
      try append(.split(split + 1, split + 1))
      try add(node)
      ends.append(program.count)
      try append(.jump(0))
      program[split] = .split(split + 1, program.count)
    }
    for end in ends { program[end] = .jump(program.count) }
  }

  private mutating func add(loop node: PatternNode) throws(Pattern.Failure) {
    let split = program.count
    try append(.split(split + 1, split + 1))
    try add(node)
    try append(.jump(split))
    program[split] = .split(split + 1, program.count)
  }

  private mutating func add(_ node: PatternNode, optionally count: Int) throws(Pattern.Failure) {
    var splits: [Int] = []
    for _ in 0..<count {
      splits.append(program.count)
      try append(.split(0, 0))
      try add(node)
    }
    for split in splits { program[split] = .split(split + 1, program.count) }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// What fuzzing found and began from, once more, without a fuzzer: a target that traps ends
// the test run. And some thousand inputs made from them, the same in every run.

import FuzzDaemonTargets
import FuzzTargets
import TestSupport
import Testing

import class Foundation.FileManager

@Suite(.timeLimit(.minutes(30)))
struct ReplayTests {
  private static let targets = FuzzTarget.all + FuzzTarget.daemon

  /// Files of Tests/Fuzz/Corpus/NAME.
  private static func corpus(_ name: String) -> [[UInt8]] {
    let root = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let folder = "/\(root)/Corpus/\(name)"
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return files.sorted().compactMap { file in
      FileManager.default.contents(atPath: "\(folder)/\(file)").map { Array($0) }
    }
  }

  @Test(arguments: targets.map(\.name))
  func `the corpus passes`(name: String) throws {
    let target = try #require(FuzzTarget.named(name, in: Self.targets))
    #expect(!target.seeds.isEmpty)
    for input in target.seeds + Self.corpus(name) + [[]] { target.run(input) }
  }

  @Test(arguments: targets.map(\.name))
  func `inputs made from the corpus pass`(name: String) throws {
    let target = try #require(FuzzTarget.named(name, in: Self.targets))
    let inputs = target.seeds + Self.corpus(name)
    var random = SeededGenerator(seed: 1)
    for _ in 0..<1000 { target.run(random.mutate(inputs)) }
  }

  @Test func `every folder of the corpus has a target`() {
    let root = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let folders = (try? FileManager.default.contentsOfDirectory(atPath: "/\(root)/Corpus")) ?? []
    let names = Set(Self.targets.map(\.name))
    for folder in folders where !folder.hasPrefix(".") {
      #expect(names.contains(folder), "\(folder)")
    }
  }
}

extension SeededGenerator {
  /// Flips, cuts and joins.
  fileprivate mutating func mutate(_ inputs: [[UInt8]]) -> [UInt8] {
    var bytes = inputs.randomElement(using: &self) ?? []
    if Bool.random(using: &self) { bytes += inputs.randomElement(using: &self) ?? [] }
    for _ in 0..<Int.random(in: 0...6, using: &self) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &self)
      switch Int.random(in: 0...4, using: &self) {
      case 0: bytes.remove(at: at)
      case 1: bytes.insert(UInt8.random(in: 0...255, using: &self), at: at)
      case 2: bytes[at] = [0, 1, 127, 128, 255].randomElement(using: &self) ?? 0
      default: bytes[at] = UInt8.random(in: 0...255, using: &self)
      }
    }
    return bytes
  }
}

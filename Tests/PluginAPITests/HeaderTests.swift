// SPDX-License-Identifier: Apache-2.0
//
// The headers by themselves, under the compilers a plugin author may have.

import Foundation
import Platform
import Testing

@Suite(.timeLimit(.minutes(5))) struct HeaderTests {
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  private static let current = root.appending(path: "Sources/PluginAPI/include")
  private static let released = root.appending(path: "SDK/abi/1.1")
  private static let first = root.appending(path: "SDK/abi/1.0")

  private static func headers(in folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path)
      .filter { $0.hasSuffix(".h") }.sorted()
  }

  /// Runs a compiler over one header; returns its messages if it refuses it.
  private func complaints(_ compiler: String, _ arguments: [String], _ header: URL) throws
    -> String?
  {
    let result = try BoundedCommand.run(
      "/usr/bin/env", [compiler] + arguments + [header.path], seconds: 120)
    return result.succeeded ? nil : result.errors + result.output
  }

  private static let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]

  @Test(arguments: [current, released, first])
  func everyHeaderCompilesAloneAsC11(folder: URL) throws {
    for name in try Self.headers(in: folder) {
      let complaint = try complaints(
        "cc", ["-std=c11", "-x", "c"] + Self.strict, folder.appending(path: name))
      #expect(complaint == nil, "\(name)")
    }
  }

  @Test(arguments: [current, released, first])
  func everyHeaderCompilesAloneAsCPlusPlus11(folder: URL) throws {
    for name in try Self.headers(in: folder) {
      let complaint = try complaints(
        "c++", ["-std=c++11", "-x", "c++"] + Self.strict, folder.appending(path: name))
      #expect(complaint == nil, "\(name)")
    }
  }

  /// Until something is added (and the minor grows with it), the headers are the released ones.
  @Test func headersOfTheCurrentMinorEqualTheFrozenOnes() throws {
    let names = try Self.headers(in: Self.current)
    #expect(names == (try Self.headers(in: Self.released)))
    for name in names {
      let current = try String(contentsOf: Self.current.appending(path: name), encoding: .utf8)
      let released = try String(contentsOf: Self.released.appending(path: name), encoding: .utf8)
      #expect(
        current == released,
        "\(name) differs from SDK/abi/1.1: a change needs a new LND_ABI_MINOR and its own frozen folder"
      )
    }
  }
}

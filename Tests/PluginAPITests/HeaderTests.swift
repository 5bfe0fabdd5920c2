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
  private static let drafts = current.appending(path: "draft")
  private static let frozen = root.appending(path: "SDK/abi")
  private static let first = frozen.appending(path: "1.0")

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

  @Test(arguments: [current, drafts, first])
  func everyHeaderCompilesAloneAsC11(folder: URL) throws {
    for name in try Self.headers(in: folder) {
      let complaint = try complaints(
        "cc", ["-std=c11", "-x", "c"] + Self.strict, folder.appending(path: name))
      #expect(complaint == nil, "\(name)")
    }
  }

  @Test(arguments: [current, drafts, first])
  func everyHeaderCompilesAloneAsCPlusPlus11(folder: URL) throws {
    for name in try Self.headers(in: folder) {
      let complaint = try complaints(
        "c++", ["-std=c++11", "-x", "c++"] + Self.strict, folder.appending(path: name))
      #expect(complaint == nil, "\(name)")
    }
  }

  /// The guide's code is true of the headers.
  @Test func `every piece of C in the guide compiles`() throws {
    let guide = Self.root.appending(path: "SDK/docs")
    let pages = try FileManager.default.subpathsOfDirectory(atPath: guide.path)
      .filter { $0.hasSuffix(".md") }.sorted()
    #expect(pages.count > 20)
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "guide-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let prelude = try String(contentsOf: guide.appending(path: "prelude.h"), encoding: .utf8)
    var blocks = 0
    for page in pages {
      let text = try String(contentsOf: guide.appending(path: page), encoding: .utf8)
      for block in text.components(separatedBy: "```c\n").dropFirst() {
        blocks += 1
        let file = folder.appending(path: "\(blocks).c")
        let code = block.components(separatedBy: "\n```")[0]
        try (prelude + "\n" + code + "\n").write(to: file, atomically: true, encoding: .utf8)
        let complaint = try complaints(
          "cc",
          ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only"]
            + ["-I", Self.current.path, "-I", Self.root.appending(path: "SDK/c").path], file)
        #expect(complaint == nil, "\(page)")
      }
    }
    #expect(blocks > 20)
  }

  /// What is wrong with headers, given the folder of those that were released; nil: they are as released, or of a minor
  /// that has its own frozen folder.
  private static func problem(of current: URL, frozen: URL) throws -> String? {
    let plugin = try String(
      contentsOf: current.appending(path: "lnd_plugin.h"), encoding: .utf8)
    let line = try #require(
      plugin.split(separator: "\n").first { $0.hasPrefix("#define LND_ABI_MINOR ") })
    let minor = try #require(line.split(separator: " ").last.flatMap { Int($0) })
    let released = frozen.appending(path: "1.\(minor)")
    guard FileManager.default.fileExists(atPath: released.path) else {
      return "there is no SDK/abi/1.\(minor)"
    }
    guard try headers(in: current) == headers(in: released) else {
      return "SDK/abi/1.\(minor) has other headers: an addition needs a new LND_ABI_MINOR"
    }
    for name in try headers(in: current) {
      let ours = try String(contentsOf: current.appending(path: name), encoding: .utf8)
      let theirs = try String(contentsOf: released.appending(path: name), encoding: .utf8)
      if ours != theirs {
        return "\(name) differs from SDK/abi/1.\(minor): a change needs a new LND_ABI_MINOR"
      }
    }
    return nil
  }

  /// Until something is added (and the minor grows with it), the headers are the released ones.
  @Test func headersOfTheCurrentMinorEqualTheFrozenOnes() throws {
    let problem = try Self.problem(of: Self.current, frozen: Self.frozen)
    #expect(problem == nil)
  }

  /// A minor to come: no addition without a new number, no number without its frozen folder.
  @Test func `an addition needs a minor, and a minor its frozen headers`() throws {
    let manager = FileManager.default
    let folder = manager.temporaryDirectory.appending(path: "headers-\(UUID().uuidString)")
    defer { try? manager.removeItem(at: folder) }
    let (next, frozen) = (folder.appending(path: "include"), folder.appending(path: "abi"))
    try manager.createDirectory(at: folder, withIntermediateDirectories: true)
    try manager.copyItem(at: Self.current, to: next)
    try manager.copyItem(at: Self.frozen, to: frozen)
    #expect(try Self.problem(of: next, frozen: frozen) == nil)
    let file = next.appending(path: "lnd_plugin.h")
    var text = try String(contentsOf: file, encoding: .utf8)
    text = text.replacingOccurrences(
      of: "} lnd_host;", with: "    void (*later)(void *ctx);\n} lnd_host;")
    try text.write(to: file, atomically: true, encoding: .utf8)
    #expect(try Self.problem(of: next, frozen: frozen)?.contains("LND_ABI_MINOR") == true)
    text = text.replacingOccurrences(of: "LND_ABI_MINOR 0", with: "LND_ABI_MINOR 1")
    try text.write(to: file, atomically: true, encoding: .utf8)
    #expect(try Self.problem(of: next, frozen: frozen) == "there is no SDK/abi/1.1")
    try manager.createDirectory(
      at: frozen.appending(path: "1.1"), withIntermediateDirectories: true)
    for name in try Self.headers(in: next) {
      try manager.copyItem(
        at: next.appending(path: name), to: frozen.appending(path: "1.1").appending(path: name))
    }
    #expect(try Self.problem(of: next, frozen: frozen) == nil)
  }
}

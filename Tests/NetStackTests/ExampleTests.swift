// SPDX-License-Identifier: Apache-2.0

import LibC
import Testing

@Suite(.timeLimit(.minutes(1))) struct ExampleTests {
  @Test func `the example of the README echoes what it is told through two stacks`() throws {
    let echo = try #require(Self.product("netstack-echo"))
    let output = try #require(popen("\(echo) hello, stack 2>&1", "r"))
    let line = UnsafeMutablePointer<CChar>.allocate(capacity: 256)
    defer { line.deallocate() }
    let text = fgets(line, 256, output).map { String(cString: $0) }
    #expect(pclose(output) == 0)
    #expect(text == "hello, stack\n")
  }

  /// The path of a program in this program's directory.
  private static func product(_ name: String) -> String? {
    guard let path = realpath("/proc/self/exe", nil) else { return nil }
    defer { free(path) }
    let own = String(cString: path)
    guard let slash = own.lastIndex(of: "/") else { return nil }
    let file = own[...slash] + name
    return access(String(file), X_OK) == 0 ? String(file) : nil
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// Plugins in C, compiled for a test by the system's C compiler against nothing but
// the headers.

import Foundation

struct TestPlugins {
  let folder: String

  /// Compiles Fixtures/plugins/NAME.c for each name, or the SDK's example, into a new folder.
  static func build(_ names: [String]) throws -> TestPlugins {
    let folder = "/tmp/lndp\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for name in names {
      let source =
        name == "hello"
        ? Installation.root + "/SDK/examples/1-hello/hello.c"
        : Installation.fixtures + "/plugins/\(name).c"
      let result = try run(
        "cc",
        [
          "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden",
          "-I", Installation.root + "/Sources/PluginAPI/include",
          "-o", "\(folder)/lima-net-\(name).so", source,
        ], seconds: 60)
      guard result.succeeded else { throw TestFailure("\(result)") }
    }
    return TestPlugins(folder: folder)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

/// A plugin in C of one source below Tests, in a new folder, which the caller removes.
func compilePlugin(_ source: String, _ file: String, _ flags: String...) throws -> String {
  let folder = "/tmp/lndl\(UInt32.random(in: .min ... .max))"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  let result = try run(
    "cc",
    ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"] + flags
      + ["-I", Installation.root + "/Sources/PluginAPI/include", "-o", "\(folder)/\(file)"]
      + [Installation.root + "/Tests/" + source], seconds: 60)
  guard result.succeeded else { throw TestFailure("\(result)") }
  return folder
}

// SPDX-License-Identifier: Apache-2.0
//
// Plugins in C for tests, compiled by the system's compiler against the
// headers alone, each in a folder that goes with it.

import LibC
import Platform

struct Fixture {
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// The compiled file.
  let path: String

  static let root: String = {
    let parts = #filePath.split(separator: "/").dropLast(4)
    return "/" + parts.joined(separator: "/")
  }()

  /// The folder of the built executables.
  static let products: String = {
    let own = (try? ChildProcess.ownPath()) ?? ""
    return "/" + own.split(separator: "/").dropLast().joined(separator: "/")
  }()

  static var host: String { products + "/lima-netd-host" }

  /// A new folder, under the system's for temporary files.
  static func folder() throws -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/lima-netd-test.XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", .current) }
    return String(cString: made)
  }

  /// Compiles a file of Fixtures.
  init(file: String, as name: String, flags: [String] = []) throws {
    try self.init(
      sources: [Self.root + "/Tests/HostTests/Fixtures/" + file], as: name, flags: flags)
  }

  /// Of the ABI, as it is.
  static var headers: String { root + "/Sources/PluginAPI/include" }

  /// The names of what is in a folder.
  static func list(_ folder: String) throws -> [String] {
    guard let stream = opendir(folder) else { throw SystemError("opendir", .current) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: entry.pointee.d_name) { bytes in
          String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        })
    }
    return names.sorted()
  }

  /// Compiles C text.
  /// - Parameter headers: the ABI's, where they are others than this one's.
  init(_ text: String, as name: String, flags: [String] = [], headers: String = Fixture.headers)
    throws
  {
    let folder = try Self.folder()
    let source = folder + "/plugin.c"
    try Self.write(Array(text.utf8), to: source)
    try self.init(
      sources: [source], as: name, flags: flags, folder: folder, headers: headers)
  }

  private init(
    sources: [String], as name: String, flags: [String], folder: String? = nil,
    headers: String = Fixture.headers
  ) throws {
    path = try (folder ?? Self.folder()) + "/" + name
    let pid = try ChildProcess.spawn(
      "/usr/bin/cc",
      ["-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread"]
        + ["-I", headers, "-o", path] + sources + flags)
    guard try ChildProcess.wait(pid).isSuccess else {
      throw Failure(description: "\(sources) does not compile")
    }
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    let fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    defer { close(fd) }
    guard bytes.withUnsafeBytes({ systemWrite(fd, $0.baseAddress, $0.count) }) == bytes.count
    else { throw SystemError("write", .current, subject: path) }
  }

  static func read(_ path: String) throws -> [UInt8] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    defer { close(fd) }
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = buffer.withUnsafeMutableBytes { systemRead(fd, $0.baseAddress, $0.count) }
      guard count > 0 else { return all }
      all += buffer[..<count]
    }
  }
}

// Members called read and write shadow the C functions.
private func systemRead(_ fd: Int32, _ bytes: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(fd, bytes, count)
}

private func systemWrite(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
  write(fd, bytes, count)
}

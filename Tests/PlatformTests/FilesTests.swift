// SPDX-License-Identifier: Apache-2.0
//
// Files that are not what they should be, and paths that somebody else took over.

import LibC
import Platform
import Testing

@Suite("Files of others", .timeLimit(.minutes(1)))
struct FilesTests {
  private let folder: String

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/lima-netd-test.XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", .current) }
    folder = String(cString: made)
  }

  /// One of each kind that is no regular file.
  private func oddities() throws -> [(path: String, words: String)] {
    let pipe = folder + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    let socket = folder + "/socket"
    Descriptor.close(try UnixSocket.listen(path: socket))
    return [
      (pipe, "a named pipe"), (socket, "a socket"), (folder, "a directory"),
      ("/dev/zero", "a device"),
    ]
  }

  @Test(
    "only regular files are read, hashed or written, and nothing waits for the other end of a pipe")
  func onlyRegularFiles() throws {
    for (path, words) in try oddities() {
      let calls: [(String, () throws -> Void)] = [
        ("read", { _ = try Files.read(path, limit: 100) }),
        ("tail", { _ = try Files.tail(path, limit: 100) }),
        ("hash", { _ = try SHA256.of(file: path) }),
        ("append", { _ = try Files.openForAppending(path, mode: 0o600) }),
        ("lock", { _ = try Files.openLocked(path, mode: 0o600) }),
        ("write", { try Files.write([1], to: path, mode: 0o600) }),
      ]
      for (name, call) in calls {
        let error = #expect(throws: SystemError.self, "\(name) \(words)") { try call() }
        #expect(error?.reason.contains(words) == true, "\(name): \(error?.reason ?? "")")
      }
      // Something is there already: that is all touching asks.
      try Files.touch(path, mode: 0o600)
    }
    // Through a link, too, and links that go round in circles are an error.
    #expect(symlink(folder + "/pipe", folder + "/link") == 0)
    #expect(throws: SystemError.self) { try Files.read(folder + "/link", limit: 100) }
    #expect(symlink(folder + "/loop", folder + "/loop") == 0)
    #expect(throws: SystemError("stat", Errno(ELOOP), subject: folder + "/loop")) {
      try Files.read(folder + "/loop", limit: 100)
    }
  }

  @Test("a file is read up to its limit, whatever its size says, and a directory up to its own")
  func limits() throws {
    let path = folder + "/huge"
    let fd = open(path, O_CREAT | O_RDWR, 0o600)
    #expect(ftruncate(fd, off_t(1) << 40) == 0)
    close(fd)
    let error = #expect(throws: SystemError.self) { try Files.read(path, limit: 1000) }
    #expect(error?.errno == .tooLarge && error?.reason == "it has more than 1000 bytes")
    #expect(try Files.tail(path, limit: 10).count == 10)
    for index in 0..<20 { close(open("\(folder)/f\(index)", O_CREAT | O_WRONLY, 0o600)) }
    #expect(try Files.list(folder) { $0.hasPrefix("f1") }.count == 11)
  }

  @Test("a path with a NUL in it is refused by every call, for C would take a shorter one")
  func nul() throws {
    let path = folder + "/short"
    try Files.write([1], to: path, mode: 0o600)
    let long = path + "\0tail"
    #expect(!Files.exists(long))
    #expect(throws: SystemError.self) { try Files.read(long, limit: 10) }
    #expect(throws: SystemError.self) { try Files.info(long) }
    #expect(throws: SystemError.self) { try Files.realPath(long) }
    #expect(throws: SystemError.self) { try Files.openForAppending(long, mode: 0o600) }
    #expect(throws: SystemError.self) { try Files.write([2], to: long, mode: 0o600) }
    #expect(throws: SystemError.self) { try Files.rename(path, to: long) }
    #expect(throws: SystemError.self) { try Files.makeDirectory(folder + "/d\0x", mode: 0o700) }
    #expect(throws: SystemError.self) { try Files.list(folder + "\0x") }
    #expect(throws: SystemError.self) { try UnixSocket.listen(path: folder + "/s\0x") }
    Files.remove(long)
    Files.removeDirectory(folder + "\0x")
    #expect(try Files.read(path, limit: 10) == [1])
    #expect(!Files.exists(folder + "/s"))
  }

  @Test(
    "a file that replaces another takes a link's place or follows it, and never that of what is no file"
  )
  func replacing() throws {
    let target = folder + "/target"
    try Files.write([1], to: target, mode: 0o600)
    let link = folder + "/link"
    #expect(symlink(target, link) == 0)
    try Files.write([2], to: link, mode: 0o600, followLinks: true)
    #expect(try Files.info(link, followLinks: false).kind == .symbolicLink)
    #expect(try Files.read(target, limit: 10) == [2])
    #expect(throws: SystemError.self) { try Files.read(link, limit: 10, followLinks: false) }
    try Files.write([3], to: link, mode: 0o600)
    #expect(try Files.info(link, followLinks: false).kind == .file)
    #expect(try Files.read(link, limit: 10) == [3] && Files.read(target, limit: 10) == [2])
    let directory = folder + "/directory"
    try Files.makeDirectory(directory, mode: 0o700)
    #expect(throws: SystemError.self) { try Files.write([3], to: directory, mode: 0o600) }
    #expect(try Files.list(folder) { $0.hasSuffix(".tmp") } == [])
  }

  @Test("what is removed by name is a regular file, or the very file that was opened")
  func removing() throws {
    for (path, _) in try oddities() where path != "/dev/zero" {
      Files.remove(path)
      #expect(Files.exists(path))
    }
    let path = folder + "/mine.pid"
    let fd = try #require(try Files.openLocked(path, mode: 0o600))
    defer { close(fd) }
    #expect(rename(path, folder + "/aside") == 0)
    try Files.write([1], to: path, mode: 0o600)
    Files.remove(path, openAs: fd)
    #expect(try Files.read(path, limit: 10) == [1])
    #expect(rename(folder + "/aside", path) == 0)
    Files.remove(path, openAs: fd)
    #expect(!Files.exists(path))
  }
}

@Suite("Unix sockets of others", .timeLimit(.minutes(1)))
struct UnixSocketTests {
  private let folder: String

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/lima-netd-test.XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", .current) }
    folder = String(cString: made)
  }

  @Test("a socket whose backlog is full is served: it is not replaced, and nobody waits for it")
  func fullBacklog() throws {
    let path = folder + "/hung.sock"
    let hung = try UnixSocket.listen(path: path, backlog: 0)
    defer { close(hung) }
    var clients: [Int32] = []
    defer { for client in clients { close(client) } }
    var last: SystemError?
    for _ in 0..<64 where last == nil {
      do throws(SystemError) { clients.append(try UnixSocket.connect(path: path)) } catch {
        last = error
      }
    }
    #expect(last == SystemError("connect", .wouldBlock, subject: path))
    #expect(throws: SystemError("bind", .addressInUse, subject: path)) {
      try UnixSocket.listen(path: path)
    }
    #expect(Files.exists(path))
    // Who has time waits, but not for ever.
    #expect(throws: SystemError("connect", .wouldBlock, subject: path)) {
      try UnixSocket.connect(path: path, patience: 50)
    }
  }

  @Test("what is no socket is named and stays")
  func notASocket() throws {
    let cases: [(String, String, (String) throws -> Void)] = [
      ("file", "a regular file", { try Files.write([1], to: $0, mode: 0o600) }),
      ("directory", "a directory", { try Files.makeDirectory($0, mode: 0o700) }),
      ("pipe", "a named pipe", { #expect(mkfifo($0, 0o600) == 0) }),
      ("link", "a symbolic link", { #expect(symlink("/nowhere/at/all", $0) == 0) }),
    ]
    for (name, words, make) in cases {
      let path = "\(folder)/\(name)"
      try make(path)
      let error = #expect(throws: SystemError.self) { try UnixSocket.listen(path: path) }
      #expect(error?.errno == .exists)
      #expect(error?.reason == "\(words) is there, and a socket is to be; move it away")
      #expect(Files.exists(path))
    }
  }

  @Test("only the file of one's own socket is removed")
  func ownFile() throws {
    let path = folder + "/a.sock"
    let first = try UnixSocket.serve(path: path)
    // A stranger's socket, and then a stranger's file, in its place.
    #expect(unlink(path) == 0)
    let stranger = try UnixSocket.serve(path: path)
    #expect(first.file?.isThere == false)
    first.close()
    #expect(stranger.file?.isThere == true)
    #expect(rename(path, folder + "/b.sock") == 0)
    try Files.write([1], to: path, mode: 0o600)
    stranger.close()
    #expect(try Files.read(path, limit: 10) == [1])
    #expect(unlink(path) == 0)
    let last = try UnixSocket.serve(path: path, type: .datagram, mode: 0o666)
    #expect(try Files.info(path).mode == 0o666)
    last.close()
    #expect(!Files.exists(path))
  }
}

// SPDX-License-Identifier: Apache-2.0
import LibC
import Platform
import Testing

@Suite(.timeLimit(.minutes(5))) struct SystemTests {
  private func folder() throws -> String {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/lima-netd-test.XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", .current) }
    return String(cString: made)
  }

  @Test func errorsHaveTheirNames() {
    #expect(Errno(ECONNREFUSED).name == "ECONNREFUSED")
    #expect(Errno(ECONNREFUSED).description == "Connection refused")
    #expect(Errno(12345).name == "errno 12345")
    #expect(Errno(result: -ENOENT) == .noSuchFile)
    #expect(Errno(result: 0) == nil)
    #expect(
      SystemError("bind", .addressInUse, subject: "/x").description
        == "bind /x: Address already in use (EADDRINUSE)")
  }

  @Test func theWallClockKnowsTheCalendar() {
    #expect(WallClock.timestamp(0) == "1970-01-01T00:00:00.000Z")
    #expect(WallClock.timestamp(951_782_400_000_000_000) == "2000-02-29T00:00:00.000Z")
    #expect(WallClock.timestamp(1_767_225_599_999_000_000) == "2025-12-31T23:59:59.999Z")
    #expect(WallClock.timestamp(4_107_542_400_000_000_000) == "2100-03-01T00:00:00.000Z")
  }

  @Test func sha256IsThatOfTheStandard() throws {
    #expect(
      SHA256.of([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(
      SHA256.of(Array("abc".utf8))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      SHA256.of(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    var hash = SHA256()
    let thousand = [UInt8](repeating: UInt8(ascii: "a"), count: 1000)
    for _ in 0..<1000 { thousand.withUnsafeBytes { hash.add($0) } }
    #expect(
      hash.hexadecimal() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func sha256IsTheSameWithAndWithoutTheProcessorsInstructions() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 151) }
    for length in [0, 1, 55, 56, 63, 64, 65, 127, 128, 256, 999, 1000] {
      var own = SHA256()
      var portable = SHA256(portable: true)
      bytes[..<length].withUnsafeBytes {
        own.add($0)
        portable.add($0)
      }
      #expect(own.hexadecimal() == portable.hexadecimal())
    }
  }

  @Test func sha256DoesNotDependOnHowTheBytesCome() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    for length in 0..<bytes.count {
      let whole = SHA256.of(Array(bytes[..<length]))
      var hash = SHA256()
      for start in stride(from: 0, to: length, by: 7) {
        Array(bytes[start..<min(start + 7, length)]).withUnsafeBytes { hash.add($0) }
      }
      #expect(hash.hexadecimal() == whole)
    }
  }

  @Test func aSocketFileThatIsServedIsNotReplaced() throws {
    let path = try folder() + "/a.sock"
    let first = try UnixSocket.listen(path: path)
    #expect(throws: SystemError("bind", .addressInUse, subject: path)) {
      try UnixSocket.listen(path: path)
    }
    close(first)
    // Now nobody answers behind it.
    let second = try UnixSocket.listen(path: path, mode: 0o660)
    defer { close(second) }
    var info = stat()
    #expect(stat(path, &info) == 0)
    #expect(info.st_mode & 0o777 == 0o660)
    let client = try UnixSocket.connect(path: path)
    let served = Sockets.accept(second, nil, nil)
    #expect(served >= 0)
    let who = try UnixSocket.peerCredentials(Int32(served))
    #expect(who.uid == getuid())
    #expect(who.pid == getpid())
    close(client)
    close(Int32(served))
  }

  @Test func aFileThatIsNoSocketIsNeverReplaced() throws {
    let path = try folder() + "/precious"
    close(open(path, O_CREAT | O_WRONLY, 0o600))
    #expect(throws: SystemError.self) { try UnixSocket.listen(path: path) }
    #expect(access(path, F_OK) == 0)
  }

  @Test func aPathThatIsTooLongIsNamed() {
    let path = "/" + String(repeating: "x", count: 200)
    #expect(throws: SystemError("bind or connect to", .nameTooLong, subject: path)) {
      try UnixSocket.listen(path: path)
    }
  }

  @Test func aChildHasTheDescriptorsItWasGivenAndNoOthers() throws {
    let out = try Descriptor.pipe()
    let leaked = open("/dev/null", O_RDONLY)
    // Crosswise: each target is the other's source.
    let swap = try Descriptor.pipe()
    let pid = try ChildProcess.spawn(
      "/bin/sh", ["-c", "echo /proc/self/fd/*; readlink /proc/self/fd/$A /proc/self/fd/$B"],
      environment: ["A=\(swap.read)", "B=\(swap.write)", "PATH=/usr/bin:/bin"],
      fds: [(swap.read, swap.write), (swap.write, swap.read), (out.write, 1)])
    close(out.write)
    var buffer = [UInt8](repeating: 0, count: 4096)
    let count = read(out.read, &buffer, buffer.count)
    let text = String(decoding: buffer[..<max(0, count)], as: UTF8.self)
    #expect(try ChildProcess.wait(pid) == .exited(0))
    let open = text.split(separator: "\n").first?.split(separator: " ").compactMap {
      $0.split(separator: "/").last.flatMap { Int32($0) }
    }
    // One more is the shell's own, of the folder it lists.
    #expect(Set(open ?? []).isSuperset(of: [0, 1, 2, swap.read, swap.write]))
    #expect(!(open ?? []).contains(leaked) || leaked < 3)
    for fd in [out.read, leaked, swap.read, swap.write] { close(fd) }
  }

  @Test func howAChildEndedIsToldInWords() throws {
    let failing = try ChildProcess.spawn("/bin/sh", ["-c", "exit 3"])
    #expect(try ChildProcess.wait(failing).description == "exited with status 3")
    let killed = try ChildProcess.spawn("/bin/sh", ["-c", "kill -SEGV $$"])
    let status = try ChildProcess.wait(killed)
    #expect(status.description.hasPrefix("killed by SIGSEGV"))
    #expect(status.shellStatus == 128 + SIGSEGV)
    #expect(throws: SystemError.self) { try ChildProcess.spawn("/nowhere/program", []) }
    let slow = try ChildProcess.spawn("/bin/sleep", ["60"])
    #expect(try ChildProcess.poll(slow) == nil)
    #expect(try ChildProcess.wait(slow, timeout: 1_000_000) == nil)
    ChildProcess.kill(0, SIGKILL)
    ChildProcess.kill(slow, SIGKILL)
    #expect(try ChildProcess.wait(slow) == .killed(signal: SIGKILL, coreDumped: false))
  }

  @Test func sharedMemoryIsSharedAndItsSizeIsChecked() throws {
    let fd = try SharedMemory.create(name: "test", size: 8192)
    defer { close(fd) }
    let a = try SharedMemory.map(fd, size: 8192)
    let b = try SharedMemory.map(fd, size: 4096)
    a.storeBytes(of: 0x1234_5678, as: UInt32.self)
    #expect(b.load(as: UInt32.self) == 0x1234_5678)
    SharedMemory.unmap(a, size: 8192)
    SharedMemory.unmap(b, size: 4096)
    #expect(throws: SystemError.self) { try SharedMemory.map(fd, size: 8193) }
  }

  @Test func socketsReportErrnoAsTheirResult() throws {
    let fd = Sockets.socket(AF_INET, Sockets.stream, 0)
    #expect(fd >= 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(1).bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Sockets.connect(Int32(fd), $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    #expect(result == Int(-ECONNREFUSED) || result == Int(-EINPROGRESS))
    #expect(Sockets.close(Int32(fd)) == 0)
    #expect(Sockets.close(Int32(fd)) == Int(-EBADF))
  }

  #if os(Linux)
    @Test func `interfaces are told by name and number`() throws {
      #expect(try HostInterfaces.names().contains("lo"))
      #expect(HostInterfaces.name(ofIndex: 1) == "lo")
      #expect(HostInterfaces.name(ofIndex: .max) == nil)
    }
  #endif
}

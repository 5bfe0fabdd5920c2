// SPDX-License-Identifier: Apache-2.0

import Platform
import Testing

#if os(Linux)
  import LibC

  @Suite("Memory at rest", .timeLimit(.minutes(5)))
  struct RestingMemoryTests {
    /// Pages of files that are mapped and present, KiB (proc(5), RssFile).
    private func mappedFiles() throws -> Int {
      let text = String(decoding: try Files.read("/proc/self/status", limit: 8192), as: UTF8.self)
      let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("RssFile:") })
      return try #require(Int(line.filter(\.isNumber)))
    }

    @Test("code that the start went through is given back, and comes back when it is called")
    func release() throws {
      let before = try mappedFiles()
      RestingMemory.release()
      #expect(try mappedFiles() < before / 2)
      // All of it may still be called: the test itself goes on.
      #expect("\([3, 1, 2].sorted())" == "[1, 2, 3]")
    }

    @Test("code that was written to stays as it is")
    func changedCode() throws {
      let page = UInt(sysconf(Int32(_SC_PAGESIZE)))
      // Any page of code of this process that is called seldom: the C library's `labs`.
      let function = try #require(dlsym(nil, "labs"))
      let address = UInt(bitPattern: function)
      let start = try #require(UnsafeMutableRawPointer(bitPattern: address & ~(page - 1)))
      let length = Int(address & (page - 1)) + 1 > Int(page) ? 2 * Int(page) : Int(page)
      try #require(mprotect(start, length, PROT_READ | PROT_WRITE | PROT_EXEC) == 0)
      let byte = function.load(as: UInt8.self)
      function.storeBytes(of: 0xc3, as: UInt8.self)
      defer {
        function.storeBytes(of: byte, as: UInt8.self)
        mprotect(start, length, PROT_READ | PROT_EXEC)
      }
      RestingMemory.release()
      #expect(function.load(as: UInt8.self) == 0xc3)
    }
  }
#endif

// SPDX-License-Identifier: Apache-2.0
import HostProtocol
import JSONCoding
import Platform
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

@Suite(.serialized, .timeLimit(.minutes(5))) struct InspectorTests {
  /// Runs `lima-netd-host inspect`.
  private func inspect(_ path: String) throws -> Inspection {
    let pipe = try Descriptor.pipe()
    let pid = try ChildProcess.spawn(Fixture.host, ["inspect", path], fds: [(pipe.write, 1)])
    close(pipe.write)
    defer { close(pipe.read) }
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(pipe.read, &buffer, buffer.count)
      guard count > 0 else { break }
      output += buffer[..<count]
    }
    #expect(try ChildProcess.wait(pid) == .exited(0))
    return try JSONCoder.decode(Inspection.self, from: output)
  }

  private func entry(_ body: String) -> String {
    """
    #include "lnd_plugin.h"
    const lnd_module *lima_netd_module_v1(const lnd_host_info *host) { (void)host; \(body) }
    """
  }

  /// A plugin of one table each, with the given members.
  private func plugin(
    moduleSize: String = "sizeof module", kind: String = "LND_KIND_NETWORK",
    name: String = "bad", rx: String = "rx"
  ) -> String {
    """
    #include "lnd_plugin.h"
    static void *create(const lnd_plugin *p, const lnd_host *h, const lnd_network_config *c) {
      (void)p; (void)h; (void)c; return 0; }
    static lnd_status start(void *s) { (void)s; return 0; }
    static void stop(void *s, lnd_op o) { (void)s; (void)o; }
    static void destroy(void *s) { (void)s; }
    static lnd_status up(void *s, const lnd_port_info *i) { (void)s; (void)i; return 0; }
    static void down(void *s, lnd_port p) { (void)s; (void)p; }
    void rx(void *s, lnd_port p, const lnd_frame *f, uint32_t n);
    void rx(void *s, lnd_port p, const lnd_frame *f, uint32_t n) { (void)s; (void)p; (void)f; (void)n; }
    static const lnd_network_ops ops = {sizeof ops, 0, create, start, stop, destroy, up, down,
      \(rx), 0, 0, 0, 0, 0, 0, 0};
    static const lnd_plugin plugin = {sizeof plugin, 0, \(kind), "\(name)", "", 0, 0, 0, &ops, 0};
    static const lnd_plugin *const plugins[] = {&plugin};
    static const lnd_module module = {\(moduleSize), 0, "test.bad", "1", "", 0, 1, 0, plugins};
    const lnd_module *lima_netd_module_v1(const lnd_host_info *h) { (void)h; return &module; }
    """
  }

  private func expectFailure(
    _ path: String, _ reason: LoadFailure, _ detail: String,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    let result = try inspect(path)
    #expect(!result.ok, sourceLocation: location)
    #expect(result.reason == reason, sourceLocation: location)
    let text = result.detail ?? ""
    #expect(text.contains(detail), "\(text)", sourceLocation: location)
  }

  @Test func aGoodPluginIsDescribed() throws {
    let file = try Fixture(file: "echo.c", as: "liblima-net-echo.so")
    let result = try inspect(file.path)
    #expect(result.ok)
    #expect(result.module?.id == "test.echo")
    #expect(result.module?.version == "1.2.3")
    let plugin = try #require(result.plugins?.first)
    #expect(plugin.kind == "network")
    #expect(plugin.name == "echo")
    #expect(plugin.modes == ["echo"])
    #expect(plugin.isolated)
    #expect(plugin.schema == "{\"type\":\"object\"}")
    #expect(plugin.extensions == ["limanetd.forward/1", "limanetd.lease/1"])
    #expect(result.sha256 == SHA256.of(try Fixture.read(file.path)))
  }

  @Test func aMissingFile() throws {
    try expectFailure("/nowhere/lima-net-x.so", .missingFile, "there is no file")
  }

  @Test func aMissingDependency() throws {
    let library = try Fixture("int f(void); int f(void) { return 1; }", as: "libgone.so")
    let user = try Fixture(
      entry("extern int f(void); return f() > 1 ? (const lnd_module *)host : 0;"),
      as: "lima-net-x.so",
      flags: [library.path])
    unlink(library.path)
    try expectFailure(user.path, .missingDependency, "libgone.so")
  }

  @Test func aFileThatIsNoELF() throws {
    let path = try Fixture.folder() + "/lima-net-x.so"
    try Fixture.write(Array("#!/bin/sh\n".utf8), to: path)
    try expectFailure(path, .notELF, "no ELF file")
    try Fixture.write([], to: path)
    try expectFailure(path, .notELF, "no ELF file")
    try expectFailure("/usr/bin", .notELF, "not a regular file")
  }

  @Test func aTruncatedELFAtEveryLength() throws {
    let whole = try Fixture.read(Fixture(plugin(), as: "lima-net-bad.so").path)
    let path = try Fixture.folder() + "/lima-net-bad.so"
    for length in [4, 20, 63, 64, 100, 500, 4096, 8192, 12288] where length < whole.count {
      try Fixture.write(Array(whole[..<length]), to: path)
      try expectFailure(path, .notELF, "truncated")
    }
  }

  @Test func aLibraryForAnotherMachine() throws {
    var bytes = try Fixture.read(Fixture(plugin(), as: "lima-net-bad.so").path)
    bytes[18] = 243  // RISC-V
    let path = try Fixture.folder() + "/lima-net-bad.so"
    try Fixture.write(bytes, to: path)
    try expectFailure(path, .notELF, "another machine")
  }

  @Test func anUndefinedSymbol() throws {
    let file = try Fixture(
      entry("extern void nowhere_to_be_found(void); nowhere_to_be_found(); return 0;"),
      as: "lima-net-x.so")
    try expectFailure(file.path, .undefinedSymbol, "nowhere_to_be_found")
  }

  @Test func noEntry() throws {
    let file = try Fixture("int nothing;", as: "lima-net-x.so")
    try expectFailure(file.path, .noEntry, "lima_netd_module_v1")
  }

  @Test func anotherABI() throws {
    let next = try Fixture("void lima_netd_module_v2(void) {}", as: "lima-net-x.so", flags: ["-w"])
    try expectFailure(next.path, .wrongABI, "plugin ABI 2")
    let refuses = try Fixture(entry("return 0;"), as: "lima-net-x.so")
    try expectFailure(refuses.path, .wrongABI, "refuses this host")
    let small = try Fixture(plugin(moduleSize: "12"), as: "lima-net-bad.so")
    try expectFailure(small.path, .wrongABI, "12 bytes")
  }

  @Test func anotherKind() throws {
    let unknown = try Fixture(plugin(kind: "\"toaster\""), as: "lima-net-bad.so")
    try expectFailure(unknown.path, .wrongKind, "toaster")
    let misnamed = try Fixture(plugin(), as: "lima-dns-bad.so")
    try expectFailure(misnamed.path, .wrongKind, "name says dns")
  }

  @Test func aDescriptorThatCannotBe() throws {
    let lacking = try Fixture(plugin(rx: "0"), as: "lima-net-bad.so")
    try expectFailure(lacking.path, .invalidDescriptor, "must have: rx")
    let named = try Fixture(plugin(name: "Bad Name"), as: "lima-net-bad.so")
    try expectFailure(named.path, .invalidDescriptor, "no plugin name")
    let other = try Fixture(plugin(), as: "lima-net-other.so")
    try expectFailure(other.path, .invalidDescriptor, "\"other\"")
  }
}

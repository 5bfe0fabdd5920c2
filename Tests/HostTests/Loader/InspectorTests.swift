// SPDX-License-Identifier: Apache-2.0
import LibC
import HostProtocol
import JSONCoding
import Platform
import Testing

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
    name: String = "bad", rx: String = "rx", flags: String = "0", ops: String = "",
    module: String = ""
  ) -> String {
    """
    #include "lnd_plugin.h"
    static void *create(const lnd_plugin *p, const lnd_host *h, const lnd_instance_config *c) {
      (void)p; (void)h; (void)c; return 0; }
    static lnd_status start(void *s, lnd_op o) { (void)s; (void)o; return 0; }
    static void stop(void *s, lnd_op o) { (void)s; (void)o; }
    static void destroy(void *s) { (void)s; }
    static lnd_status up(void *s, const lnd_port_info *i) { (void)s; (void)i; return 0; }
    static void down(void *s, lnd_port p) { (void)s; (void)p; }
    void rx(void *s, lnd_port p, const lnd_frame *f, uint32_t n);
    void rx(void *s, lnd_port p, const lnd_frame *f, uint32_t n) { (void)s; (void)p; (void)f; (void)n; }
    void nothing(void);
    void nothing(void) {}
    static const lnd_network_ops ops = {
      .instance = {.size = sizeof ops, .create = create, .start = start, .stop = stop, .destroy = destroy\(ops)},
      .port_up = up, .port_down = down, .rx = \(rx)};
    static const lnd_plugin plugin = {sizeof plugin, \(flags), \(kind), "\(name)", "", 0, 0, 0, &ops, 0};
    static const lnd_plugin *const plugins[] = {&plugin};
    static const lnd_module module = {.size = \(moduleSize), .abi_minor = LND_ABI_MINOR, .id = "test.bad", .version = "1", .license = "",
      .plugin_count = 1, .plugins = plugins\(module)};
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
    #expect(plugin.extensions == ["limanetd.forward/1", "limanetd.lease/1", "limanetd.guests/1"])
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

  @Test func `what must be understood and is not, is not loaded, and what may be ignored is`()
    throws
  {
    let unknown = try Fixture(plugin(flags: "0x40000000"), as: "lima-net-bad.so")
    try expectFailure(unknown.path, .wrongABI, "0x40000000")
    let ops = try Fixture(plugin(ops: ", .flags = 0x80000000"), as: "lima-net-bad.so")
    try expectFailure(ops.path, .wrongABI, "lnd_network_ops of bad has flags")
    let module = try Fixture(plugin(module: ", .flags = 0x10000"), as: "lima-net-bad.so")
    try expectFailure(module.path, .wrongABI, "its module table has flags")
    let ignorable = try Fixture(plugin(flags: "0x4000"), as: "lima-net-bad.so")
    #expect(try inspect(ignorable.path).ok)
  }

  @Test func `what is reserved is nothing`() throws {
    let file = try Fixture(plugin(ops: ", .reserved = {0, nothing}"), as: "lima-net-bad.so")
    try expectFailure(file.path, .invalidDescriptor, "`reserved` of the callbacks of bad")
  }

  @Test func `a file of the future says which lima-netd it needs`() throws {
    let needs = ", .requires_host = \"9.1.0\""
    let kind = try Fixture(plugin(kind: "\"toaster\"", module: needs), as: "lima-net-bad.so")
    try expectFailure(kind.path, .wrongKind, "it needs lima-netd 9.1.0")
    let flags = try Fixture(plugin(flags: "0x40000000", module: needs), as: "lima-net-bad.so")
    try expectFailure(flags.path, .wrongABI, "it needs lima-netd 9.1.0")
  }

  /// A minor to come: a member appended to the host's table, another to a kind's, and a plugin that uses both.
  @Test func `a plugin of a simulated 1 1 loads here, and finds what is not there to be NULL`()
    throws
  {
    let folder = try Fixture.folder()
    let root = Fixture.headers
    for name in try Fixture.list(root) where name.hasPrefix("lnd_") {
      var text = String(decoding: try Fixture.read(root + "/" + name), as: UTF8.self)
      text = text.replacing("#define LND_ABI_MINOR 0", with: "#define LND_ABI_MINOR 1")
      text = text.replacing("} lnd_host;", with: "    void (*later)(void *ctx);\n} lnd_host;")
      text = text.replacing(
        "} lnd_network_ops;", with: "    void (*on_later)(void *self);\n} lnd_network_ops;")
      try Fixture.write(Array(text.utf8), to: folder + "/" + name)
    }
    var source = plugin()
    source = source.replacing(
      "(void)p; (void)h; (void)c; return 0; }",
      with: """
        (void)p; (void)c;
          /* In place, past the table's size: the tail is zero. And with a look at the size. */
          if (h->later || LND_HAS(h, later) || !LND_HAS(h, report)) return 0;
          kept = h;
          return (void *)&kept; }
        """)
    source = source.replacing(
      "static void *create(", with: "static const lnd_host *kept;\nstatic void *create(")
    source = source.replacing(
      "{ (void)s; (void)o; return 0; }",
      with: "{ (void)s; return kept->op_done(kept->ctx, o, LND_OK, 0, 0); }")
    source = source.replacing(
      "static void stop(void *s, lnd_op o) { (void)s; (void)o; }",
      with:
        "static void stop(void *s, lnd_op o) { (void)s; kept->op_done(kept->ctx, o, LND_OK, 0, 0); }"
    )
    let file = try Fixture(source, as: "lima-net-bad.so", headers: folder)
    let found = try inspect(file.path)
    #expect(found.ok && found.module?.abiMinor == 1)
    let host = try RunningHost()
    let spec = NetworkSpec(
      name: "lab", mode: "bad", plugin: PluginRef(file: file.path, name: "bad"))
    #expect(try host.request(.start(spec)) == .ok)
    #expect(try host.request(.stop) == .ok)
  }
}

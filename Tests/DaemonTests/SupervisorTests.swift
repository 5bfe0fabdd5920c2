// SPDX-License-Identifier: Apache-2.0

import HostProtocol
import Platform
import TestSupport
import Testing

@testable import Daemon

@Suite("Supervisor", .serialized, .ownThread, .timeLimit(.minutes(5)))
struct SupervisorTests {
  @Test func `sockets are for their owner alone and gone at the end`() throws {
    let fixture = try Fixture()
    let sockets = fixture.home.networkSockets("lab")
    let all = [
      sockets.qemu, sockets.fd, sockets.unixgram, fixture.home.controlSocket,
      fixture.home.attachSocket,
    ]
    for path in all {
      let info = try Files.info(path)
      #expect(info.kind == .socket && info.mode == 0o600, "\(path)")
    }
    #expect(try Files.info(fixture.home.networkDirectory("lab")).mode & 0o777 == 0o700)
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    let network = try fixture.network()
    fixture.until { network.state == .running }
    let pid = try #require(network.link?.pid)
    fixture.supervisor.shutdown("the test says so")
    #expect(fixture.until { !Files.exists(fixture.home.pidFile) })
    for path in all { #expect(!Files.exists(path), "\(path)") }
    #expect(!Files.exists("/proc/\(pid)/exe"))
  }

  @Test func `a second daemon for the same home is refused and harms nothing`() throws {
    let fixture = try Fixture()
    let second = Supervisor(
      options: fixture.supervisor.options, loop: try EventLoop(), log: fixture.supervisor.log)
    #expect(throws: ServeError.alreadyRunning(home: fixture.home.path, pid: "\(CurrentProcess.id)"))
    {
      try second.start()
    }
    #expect(Files.exists(fixture.home.pidFile))
    Descriptor.close(try fixture.connect())
  }

  @Test func `the first request waits for no thread that there are no descriptors for`() throws {
    let fixture = try Fixture()
    let made = ResourceLimit.descriptors.lowered(to: 3) {
      fixture.supervisor.servers.control(fixture.supervisor.bridge) != nil
    }
    #expect(made == false)
    #expect(fixture.supervisor.servers.control(fixture.supervisor.bridge) != nil)
    // Who asked meanwhile is told.
    let (ours, theirs) = try UnixSocket.pair()
    defer { Descriptor.close(theirs) }
    HTTPServers.refuse(ours)
    var answer = [UInt8](repeating: 0, count: 4096)
    let count = Files.readSome(theirs, &answer)
    let text = String(decoding: answer.prefix(max(0, count)), as: UTF8.self)
    #expect(text.hasPrefix("HTTP/1.1 503 ") && text.contains("no file descriptor left"), "\(text)")
  }

  @Test func `a holder of the home that is ending is waited for, one that runs is not`() throws {
    let fixture = try Fixture(start: false)
    try Files.makePrivateDirectory(fixture.home.networksDirectory)
    func hold() throws -> Int32 {
      let held = try #require(try Files.openLocked(fixture.home.pidFile, mode: 0o600))
      try Files.replace(held, with: Array("4711\n".utf8))
      return held
    }
    var held = try hold()
    var asked = 0
    let lock = try DaemonListeners.openLock(fixture.home, patience: 60_000_000_000) { pid in
      #expect(pid == 4711)
      asked += 1
      if asked == 3 { Descriptor.close(held) }
      return true
    }
    #expect(asked == 3)
    Descriptor.close(lock)

    held = try hold()
    defer { Descriptor.close(held) }
    let refusal = ServeError.alreadyRunning(home: fixture.home.path, pid: "4711")
    #expect(throws: refusal) {
      try DaemonListeners.openLock(fixture.home, patience: 60_000_000_000) { _ in false }
    }
    // It never ends.
    #expect(throws: refusal) {
      try DaemonListeners.openLock(fixture.home, patience: 30_000_000) { _ in true }
    }
  }

  @Test func `stale sockets are replaced, a living daemon's are not`() throws {
    let fixture = try Fixture(start: false)
    let sockets = fixture.home.networkSockets("lab")
    try Files.makeDirectory(fixture.home.networkDirectory("lab"), mode: 0o755)
    Descriptor.close(try UnixSocket.listen(path: sockets.qemu))
    try fixture.supervisor.start()
    #expect(try fixture.network().listeners.isOpen)
    Descriptor.close(try fixture.connect())

    let other = try Fixture(start: false)
    let foreign = other.home.networkSockets("lab").qemu
    try Files.makeDirectory(other.home.networkDirectory("lab"), mode: 0o755)
    let listener = try UnixSocket.listen(path: foreign)
    defer { Descriptor.close(listener) }
    try other.supervisor.start()
    let network = try other.network()
    #expect(network.state == .failed)
    #expect(network.life.state.error?.message.contains("another process serves it") == true)
    let client = try UnixSocket.connect(path: foreign)
    defer { Descriptor.close(client) }
    #expect(Sockets.accept(listener, nil, nil) >= 0)
    // The other networks are served.
    #expect(try other.network("default").listeners.isOpen)
  }

  @Test(.timeLimit(.minutes(1)))
  func `a network's socket that hangs or is no socket costs that network alone`() throws {
    let fixture = try Fixture(
      config: "networks: {lab: {mode: fake}, den: {mode: fake}}", start: false)
    for name in ["lab", "den"] {
      try Files.makeDirectory(fixture.home.networkDirectory(name), mode: 0o755)
    }
    let hung = fixture.home.networkSockets("lab").qemu
    let listener = try UnixSocket.listen(path: hung, backlog: 0)
    defer { Descriptor.close(listener) }
    var clients: [Int32] = []
    defer { for client in clients { Descriptor.close(client) } }
    while clients.count < 64, let client = try? UnixSocket.connect(path: hung) {
      clients.append(client)
    }
    let file = fixture.home.networkSockets("den").fd
    try Fixture.write(file, "mine\n")
    try fixture.supervisor.start()
    #expect(
      try fixture.network("lab").life.state.error?.message.contains("another process serves it")
        == true)
    let wrong = try #require(try fixture.network("den").life.state.error?.message)
    #expect(wrong.contains("a regular file is there") && !wrong.contains("serves it"))
    #expect(try fixture.network("default").listeners.isOpen)
    #expect(try Files.read(file, limit: 100) == Array("mine\n".utf8))
    // Moved away: it is served without being asked to.
    Files.remove(file)
    #expect(fixture.until(20) { (try? fixture.network("den").listeners.isOpen) == true })
  }

  @Test func `at the end files stay that took the place of ours`() throws {
    let fixture = try Fixture()
    let sockets = fixture.home.networkSockets("lab")
    let strangers = [
      sockets.qemu, sockets.fd, sockets.unixgram, sockets.endpoint, fixture.home.controlSocket,
      fixture.home.attachSocket,
    ]
    var others: [UnixSocket.Bound] = []
    defer { for other in others { other.close() } }
    for path in strangers {
      try Files.rename(path, to: path + ".old")
      others.append(try UnixSocket.serve(path: path))
    }
    try Files.rename(fixture.home.pidFile, to: fixture.home.pidFile + ".old")
    try Fixture.write(fixture.home.pidFile, "1\n")
    fixture.supervisor.shutdown("the test says so")
    let network = try? fixture.network()
    #expect(fixture.until { network?.listeners.isOpen != true })
    fixture.pass(0.1)
    for other in others { #expect(other.file?.isThere == true, "\(other.file?.path ?? "")") }
    #expect(try Files.read(fixture.home.pidFile, limit: 10) == Array("1\n".utf8))
    Files.remove(fixture.home.pidFile)
  }

  @Test func `a home too long for sockets that every home has is told with how long it may be`()
    throws
  {
    let long = LimaHome(path: "/tmp/" + String(repeating: "h", count: 100))
    let problem = try #require(long.problem)
    // The longest is /_networks/default/default_unixgram.sock, and that of user-v2.
    let limit = UnixSocket.maximumPathLength - 40
    #expect(problem.contains("/default_unixgram.sock has 145 bytes"))
    #expect(problem.contains("at most \(limit) bytes"))
    let fitting = LimaHome(path: String(long.path.prefix(limit)))
    #expect(fitting.problem == nil)
    for network in ["default", "user-v2"] {
      let path = fitting.networkSockets(network).unixgram
      #expect(path.utf8.count <= UnixSocket.maximumPathLength)
    }
    #expect(LimaHome(path: String(long.path.prefix(limit + 1))).problem != nil)
    let fixture = try Fixture(start: false)
    var options = fixture.supervisor.options
    options.home = long
    let supervisor = Supervisor(options: options, loop: fixture.loop, log: fixture.supervisor.log)
    #expect(throws: ServeError.home(problem)) { try supervisor.start() }
    #expect(!Files.exists(long.path))
  }

  @Test func `a path too long for a socket is that network's error`() throws {
    let name = String(repeating: "n", count: 60)
    let fixture = try Fixture(config: "networks: {\(name): {mode: fake}}")
    let network = try fixture.network(name)
    #expect(network.state == .failed)
    #expect(network.life.state.error?.message.contains("use a shorter Lima home or name") == true)
  }

  @Test func `networks that cannot start are told of before a guest comes`() throws {
    let config = """
      networks:
        lab: {mode: fake}
        bent: {mode: fakee}
        odd:
          mode: fake
          dns: {plugin: nobody}
      """
    let fixture = try Fixture(config: config)
    func warnings() -> [String] { fixture.log.lines.all.filter { $0.hasPrefix("warning") } }
    #expect(fixture.until { warnings().contains { $0.contains("network odd") } })
    #expect(
      warnings().contains { $0.contains("network bent") && $0.contains("did you mean `fake`") })
    #expect(!warnings().contains { $0.contains("network lab") })
    try Fixture.write(fixture.home.configFile, "networks:\n  lab: {mode: fak}\n")
    fixture.reload()
    #expect(fixture.until { warnings().contains { $0.contains("network lab") } })
  }

  @Test func `a question holds its network and puts the idle stop off`() throws {
    let fixture = try Fixture(grace: 300_000_000)
    let network = try fixture.network()
    // Asked again within the grace period, for longer than that. Each has the network by its own end, were this machine too
    // busy for that.
    var starts = 0
    for _ in 0..<4 {
      if network.state == .stopped { starts += 1 }
      let answer: Result<DNSLookupReport, ErrorReport> = try fixture.result {
        try await fixture.supervisor.ask("lab", DNSLookup(name: "a.test", type: "A"))
      }
      #expect((try? answer.get()) != nil)
      #expect(network.state == .running && network.demand.questions == 0)
      fixture.pass(0.15)
    }
    #expect(fixture.requests().filter { $0.hasPrefix("start") }.count == starts)
    #expect(fixture.until { network.state == .stopped })
    // One that is under way: the network does not end before its answer.
    let answer = Promise<Int, ErrorReport>()
    fixture.supervisor.actor.begin {
      _ = try? await network.whileHeld { () async throws(ErrorReport) in try await answer.value() }
    }
    network.start()
    #expect(fixture.until { network.state == .running })
    fixture.pass(0.6)
    #expect(network.state == .running)
    answer.keep(.success(1))
    #expect(fixture.until { network.state == .stopped })
  }

  @Test(.timeLimit(.minutes(1)))
  func `a pipe that nobody reads loses lines of the log and stops nothing`() throws {
    let fixture = try Fixture(start: false)
    let pipe = try Descriptor.pipe()
    defer { for end in [pipe.read, pipe.write] { Descriptor.close(end) } }
    let sink = LogSink(standardError: pipe.write)
    let file = fixture.root + "/test.log"
    try sink.open(file)
    let line = String(repeating: "x", count: 999) + "\n"
    for _ in 0..<300 { sink.write(line) }
    #expect(try Files.read(file, limit: 1 << 20).count == 300_000)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    #expect(Files.readSome(pipe.read, &buffer) < 300_000)
    sink.write("last\n")
    let count = Files.readSome(pipe.read, &buffer)
    let text = String(decoding: buffer[..<max(count, 0)], as: UTF8.self)
    #expect(
      text.hasSuffix("lines not taken here, but in the log file\nlast\n"), "\(text)")
  }

  @Test func `standard error that is a file ends with a word of where the rest is`() throws {
    let fixture = try Fixture(start: false)
    let path = fixture.root + "/errors.log"
    let errors = try Files.openForAppending(path, mode: 0o600)
    defer { Descriptor.close(errors) }
    let sink = LogSink(standardError: errors, limit: 10_000)
    let file = fixture.root + "/test.log"
    try sink.open(file)
    let line = String(repeating: "x", count: 99) + "\n"
    for _ in 0..<1000 { sink.write(line) }
    let text = String(decoding: try Files.read(path, limit: 1 << 20), as: UTF8.self)
    #expect(text.utf8.count < 11_000 && text.contains("all is in \(file) alone"))
    #expect(text.components(separatedBy: "alone").count == 2, "said more than once")
    // The next daemon finds it full.
    LogSink(standardError: errors, limit: 10_000).write("before the log file\n")
    let next = LogSink(standardError: errors, limit: 10_000)
    try next.open(file)
    next.write(line)
    #expect(try Files.read(path, limit: 1 << 20).count < 12_000)
  }

  @Test func `a bad file at start is refused as a whole`() throws {
    let fixture = try Fixture(config: "networks:\n  lab:\n    mod: fake\n", start: false)
    #expect(throws: ConfigError.self) { try fixture.supervisor.start() }
    #expect(!Files.exists(fixture.home.controlSocket))
  }

  @Test func `rereading a bad file tells where and keeps what holds`() throws {
    let fixture = try Fixture()
    try Fixture.write(fixture.home.configFile, "networks:\n  lab:\n    mod: fake\n")
    fixture.reload()
    #expect(
      fixture.supervisor.configuration.error?.contains("networks.yaml:3:5: networks.lab.mod")
        == true)
    #expect(fixture.supervisor.networks["lab"] != nil)
    let status: StatusReport = try fixture.value { await fixture.supervisor.status() }
    #expect(status.config.error != nil)
  }

  @Test func `rereading adds, removes and changes networks`() throws {
    let fixture = try Fixture(config: "networks:\n  lab: {mode: fake}\n  old: {mode: fake}\n")
    let lab = try fixture.network()
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    fixture.until { lab.state == .running }
    try Fixture.write(
      fixture.home.configFile,
      "networks:\n  lab: {mode: fake, sandbox: off, options: {x: 1}}\n  new: {mode: fake}\n")
    fixture.reload()
    #expect(fixture.supervisor.networks.keys.sorted() == ["default", "lab", "new", "user-v2"])
    #expect(!Files.exists(fixture.home.networkSockets("old").qemu))
    #expect(Files.exists(fixture.home.networkSockets("new").qemu))
    #expect(lab.isChanged && lab.state == .running)
    lab.stop("the test says so")
    fixture.until { lab.state == .stopped }
    let again = try fixture.connect()
    defer { Descriptor.close(again) }
    #expect(fixture.until { lab.state == .running })
    #expect(!lab.isChanged)
    #expect(fixture.requests().contains("start fake hostdns {\"x\":1} fds 1"))
  }

  @Test func `who asks for the file to be read again is answered when it holds`() throws {
    let fixture = try Fixture()
    try Fixture.write(fixture.home.configFile, "networks:\n  new: {mode: fake}\n")
    let first: Result<ReloadReport, ErrorReport> = try fixture.result {
      try await fixture.supervisor.reloaded()
    }
    #expect(throws: Never.self) { try first.get() }
    #expect(fixture.supervisor.networks["new"] != nil)
    try Fixture.write(fixture.home.configFile, "networks:\n  new:\n    mod: fake\n")
    let second: Result<ReloadReport, ErrorReport> = try fixture.result {
      try await fixture.supervisor.reloaded()
    }
    #expect(throws: ErrorReport.self) { try second.get() }
    #expect(fixture.supervisor.networks["new"] != nil)
  }

  @Test func `a network without guests is ended at once when its settings change or it goes`()
    throws
  {
    let fixture = try Fixture(grace: 600_000_000_000)
    let lab = try fixture.network()
    func idle() throws {
      Descriptor.close(try fixture.connect())
      #expect(
        fixture.until {
          lab.state == .running && lab.guests.isEmpty && lab.life.state.isInGracePeriod
        })
    }
    try idle()
    try Fixture.write(
      fixture.home.configFile, "networks:\n  lab: {mode: fake, options: {x: 1}}\n")
    fixture.reload()
    #expect(fixture.until { lab.state == .stopped })
    try idle()
    #expect(fixture.requests().contains("start fake hostdns {\"x\":1} fds 1"))
    try Fixture.write(fixture.home.configFile, "networks: {}\n")
    fixture.reload()
    #expect(fixture.until { lab.state == .stopped && fixture.supervisor.leaving.isEmpty })
  }

  @Test func `a removed network that comes back is served again`() throws {
    let fixture = try Fixture()
    try Fixture.write(fixture.home.configFile, "networks: {}\n")
    fixture.reload()
    try Fixture.write(fixture.home.configFile, Fixture.oneNetwork())
    fixture.reload()
    fixture.pass(0.1)
    let guest = try fixture.connect()
    defer { Descriptor.close(guest) }
    let network = try fixture.network()
    #expect(fixture.until { network.state == .running })
  }

  @Test func `forwards outlive a stop, and a taken address is an answer`() throws {
    let fixture = try Fixture()
    let network = try fixture.network()
    let good = Forward(protocol: "tcp", host: "127.0.0.1:8080", guest: "10.0.0.9:80")
    let taken = Forward(protocol: "tcp", host: "127.0.0.1:1", guest: "10.0.0.9:80")
    let first: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(good)
    }
    #expect(throws: Never.self) { try first.get() }
    let second: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(taken)
    }
    #expect(
      throws: ErrorReport(
        code: "EXISTS", message: "network lab: the address is taken (plugin fake)")
    ) {
      try second.get()
    }
    let third: Result<Forward, ErrorReport> = try fixture.result {
      try await network.forwards.add(good)
    }
    #expect(throws: ErrorReport.self) { try third.get() }
    network.stop("the test says so")
    fixture.until { network.state == .stopped }
    #expect(network.forwards.open == [good])
    let _: Result<HostLink, ErrorReport> = try fixture.result {
      try await network.whenRunning().value()
    }
    #expect(fixture.until { fixture.requests().last == "expose 127.0.0.1:8080" })
    let removed: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(good)
    }
    #expect(throws: Never.self) { try removed.get() }
    let unknown: Result<Void, ErrorReport> = try fixture.result {
      try await network.forwards.remove(good)
    }
    #expect(
      throws: ErrorReport(
        code: "NOT_FOUND", message: "network lab has no forward tcp 127.0.0.1:8080")
    ) {
      try unknown.get()
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The manager of socket_vmnet with processes, files and a clock of the test's: what only macOS runs, and how it fails.

import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct VMNetManagerTests {
  /// A macOS in which `socket_vmnet` does as it is told.
  private final class Scene {
    enum Behavior {
      /// Answers after so many seconds.
      case answers(after: UInt64)
      /// Ends at once, with this line in its log.
      case ends(String)
      /// Runs, writes its pid file, and never answers.
      case silent
      case cannotSpawn
    }

    let clock = FakeClock()
    /// Of the next starts, the last one for ever.
    var behaviors: [Behavior] = [.answers(after: 1)]
    var installed = true
    var flaw: String?
    var folderStatus: Int32 = 0
    var pidFile = VMNetLayers.PidFile.missing
    var programs: [Int32: String] = [:]
    var answersAt: UInt64?
    var words: [[String]] = []
    var killed: [Int32] = []
    var lines: [String] = []
    /// Of the starts that have ended.
    var results: [Result<String, VMNetError>] {
      actor.executor.run()
      return ended
    }
    private var ended: [Result<String, VMNetError>] = []
    private let loop: EventLoop
    private let actor: LoopActor
    private var ends: [Int32: ChildProcess.ExitStatus] = [:]
    private var said = ""
    private var children: Int32 = 500

    lazy var manager: VMNetManager = {
      let manager = VMNetManager(
        layers: VMNetLayers(
          spawn: { [unowned self] words, _ throws(SystemError) in try spawn(words) },
          poll: { [unowned self] in ends[$0] },
          kill: { [unowned self] pid in
            killed.append(pid)
            ends[pid] = .killed(signal: 9, coreDumped: false)
          },
          exists: { [unowned self] _ in installed },
          flaw: { [unowned self] _ in flaw },
          readPidFile: { [unowned self] _ in pidFile },
          program: { [unowned self] in programs[$0] },
          answers: { [unowned self] _ in answersAt.map { $0 <= clock.now } ?? false },
          lastLine: { [unowned self] _ in said },
          now: { [unowned self] in clock.now },
          schedule: { [unowned self] in clock.schedule($0, $1) }),
        logFolder: "/l", log: { [unowned self] in lines.append($0) })
      manager.paths = paths
      return manager
    }()

    init() throws {
      loop = try EventLoop()
      actor = LoopActor.running(loop)
    }

    var paths: NetworksPaths {
      var paths = NetworksPaths()
      paths.socketVMNet = "/opt/socket_vmnet/bin/socket_vmnet"
      paths.varRun = "/private/var/run/lima"
      paths.group = "admin"
      return paths
    }

    var command: VMNetCommand {
      VMNetCommand(
        network: "shared",
        mode: .routed(
          mode: "shared", gateway: "192.168.105.1", dhcpEnd: "192.168.105.254",
          mask: "255.255.255.0"),
        paths: paths)
    }

    private func spawn(_ words: [String]) throws(SystemError) -> Int32 {
      self.words.append(words)
      children += 1
      if words.contains("/bin/mkdir") {
        ends[children] = .exited(folderStatus)
        if folderStatus != 0 { said = "sudo: a password is required" }
        return children
      }
      if words.contains("/usr/bin/pkill") {
        ends[children] = .exited(0)
        if case .pid(let pid) = pidFile { programs[pid] = nil }
        pidFile = .missing
        answersAt = nil
        return children
      }
      switch behaviors.count > 1 ? behaviors.removeFirst() : behaviors[0] {
      case .answers(let seconds):
        answersAt = clock.now + seconds * FakeClock.second
        live()
      case .ends(let line):
        said = line
        ends[children] = .exited(1)
      case .silent: live()
      case .cannotSpawn: throw SystemError("posix_spawn", Errno(2), subject: words[0])
      }
      return children
    }

    /// Writes its pid file, as it does before vmnet is there.
    private func live() {
      pidFile = .pid(77)
      programs[77] = paths.socketVMNet
    }

    func start(_ command: VMNetCommand? = nil) {
      let command = command ?? self.command
      actor.begin { [self] in
        do throws(VMNetError) { ended.append(.success(try await manager.start(command))) } catch {
          ended.append(.failure(error))
        }
      }
      actor.executor.run()
    }

    var starts: Int { words.count { $0.contains { $0.hasPrefix("--pidfile=") } } }
    var stops: Int { words.count { $0.contains("/usr/bin/pkill") } }
  }

  private static let socket = "/private/var/run/lima/socket_vmnet.shared"

  @Test func `the words are those of Lima's sudoers, to the letter`() throws {
    let scene = try Scene()
    var bridged = scene.command
    bridged.network = "bridged"
    bridged.mode = .bridged(interface: "en0")
    #expect(
      VMNetCommand.asRoot(scene.command.start).joined(separator: " ")
        == "/usr/bin/sudo --user root --group wheel --non-interactive /opt/socket_vmnet/bin/socket_vmnet "
        + "--pidfile=/private/var/run/lima/shared_socket_vmnet.pid --socket-group=admin --vmnet-mode=shared "
        + "--vmnet-gateway=192.168.105.1 --vmnet-dhcp-end=192.168.105.254 --vmnet-mask=255.255.255.0 "
        + "/private/var/run/lima/socket_vmnet.shared")
    #expect(
      bridged.start.joined(separator: " ")
        == "/opt/socket_vmnet/bin/socket_vmnet --pidfile=/private/var/run/lima/bridged_socket_vmnet.pid "
        + "--socket-group=admin --vmnet-mode=bridged --vmnet-interface=en0 "
        + "/private/var/run/lima/socket_vmnet.bridged")
    #expect(
      bridged.stop.joined(separator: " ")
        == "/usr/bin/pkill -F /private/var/run/lima/bridged_socket_vmnet.pid")
    #expect(
      bridged.makeFolder.joined(separator: " ") == "/bin/mkdir -m 775 -p /private/var/run/lima")
  }

  @Test(arguments: [
    ("shared", ["gateway": "192.168.105.1"] as [String: String], "192.168.105.254 255.255.255.0"),
    ("host", ["gateway": "10.1.0.1", "netmask": "255.255.0.0"], "10.1.255.254 255.255.0.0"),
    ("shared", ["gateway": "10.1.0.1", "dhcpEnd": "10.1.0.99"], "10.1.0.99 255.255.255.0"),
  ])
  func `what networks.yaml leaves out is what its comments promise`(
    mode: String, options: [String: String], expected: String
  ) throws {
    var object = JSONObject()
    for (key, value) in options { object[key] = .string(value) }
    let command = try #require(
      VMNetCommand(network: "n", mode: mode, options: object, paths: .absent(in: .macOS())))
    guard case .routed(mode, _, let end, let mask) = command.mode else {
      Issue.record("\(command.mode)")
      return
    }
    #expect("\(end) \(mask)" == expected)
  }

  @Test func `success is a socket that answers and not a pid file`() throws {
    let scene = try Scene()
    scene.behaviors = [.answers(after: 5)]
    scene.start()
    scene.clock.pass(4 * FakeClock.second)
    #expect(scene.results.isEmpty && scene.pidFile == .pid(77))
    scene.clock.pass(3 * FakeClock.second)
    #expect(scene.results == [.success(Self.socket)] && scene.starts == 1)
  }

  @Test func `one that answers already is taken as it is`() throws {
    let scene = try Scene()
    scene.answersAt = 0
    scene.start()
    #expect(scene.results == [.success(Self.socket)] && scene.words.isEmpty)
  }

  @Test(arguments: [true, false])
  func `one that cannot start or ends is tried five times with 1, 2, 4 and 8 seconds between`(
    spawns: Bool
  ) throws {
    let scene = try Scene()
    scene.behaviors = [spawns ? .ends("vmnet: VMNET_FAILURE") : .cannotSpawn]
    scene.start()
    var begun: [UInt64] = []
    for _ in 0..<200 where scene.results.isEmpty {
      let before = scene.starts
      scene.clock.step()
      if scene.starts > before { begun.append(scene.clock.now) }
    }
    #expect(scene.starts == 5)
    let pauses = zip(begun, begun.dropFirst()).map { ($1 - $0) / FakeClock.second }
    // Half a second of each is the look that finds it ended.
    #expect(pauses == [1, 2, 4, 8])
    guard case .failure(let error) = scene.results.first else {
      Issue.record("\(scene.results)")
      return
    }
    #expect("\(error)".contains(spawns ? "5 times" : "cannot start"), "\(error)")
    #expect(!spawns || "\(error)".contains("VMNET_FAILURE"), "\(error)")
  }

  @Test func `one of five attempts is enough`() throws {
    let scene = try Scene()
    scene.behaviors = [.ends("busy"), .cannotSpawn, .ends("busy"), .answers(after: 1)]
    scene.start()
    scene.clock.pass(60 * FakeClock.second)
    #expect(scene.results == [.success(Self.socket)] && scene.starts == 4)
  }

  @Test func `one that runs half a minute and never answers is ended and not tried again`() throws {
    let scene = try Scene()
    scene.behaviors = [.silent]
    scene.start()
    scene.clock.pass(29 * FakeClock.second)
    #expect(scene.results.isEmpty)
    scene.clock.pass(3 * FakeClock.second)
    #expect(
      scene.results == [
        .failure(.silent(Self.socket, log: "/l/shared_socket_vmnet.stderr.log"))
      ])
    #expect(scene.starts == 1 && scene.stops == 1 && scene.killed == [502])
  }

  @Test(arguments: [nil, "/usr/sbin/cupsd"] as [String?])
  func `a pid file of a dead process, or of another program by now, is no obstacle`(
    program: String?
  ) throws {
    let scene = try Scene()
    scene.pidFile = .pid(4242)
    scene.programs[4242] = program
    scene.start()
    scene.clock.pass(10 * FakeClock.second)
    #expect(scene.results == [.success(Self.socket)] && scene.stops == 0)
  }

  @Test func `one that somebody started just now is waited for and not started twice`() throws {
    let scene = try Scene()
    scene.pidFile = .pid(77)
    scene.programs[77] = scene.paths.socketVMNet
    scene.answersAt = scene.clock.now + 3 * FakeClock.second
    scene.start()
    scene.clock.pass(5 * FakeClock.second)
    #expect(scene.results == [.success(Self.socket)] && scene.words.isEmpty)
  }

  @Test func `one that somebody started and that dies before it answers is started`() throws {
    let scene = try Scene()
    scene.pidFile = .pid(77)
    scene.programs[77] = scene.paths.socketVMNet
    scene.start()
    scene.clock.pass(2 * FakeClock.second)
    scene.programs[77] = nil
    scene.clock.pass(10 * FakeClock.second)
    #expect(scene.results == [.success(Self.socket)] && scene.starts == 1)
  }

  @Test func `what is missing is said before anything runs`() throws {
    let unreadable = try Scene()
    unreadable.pidFile = .unreadable("it holds no process id")
    unreadable.start()
    let absent = try Scene()
    absent.installed = false
    absent.start()
    let bare = try Scene()
    var command = bare.command
    command.mode = .bridged(interface: "")
    bare.start(command)
    #expect(
      unreadable.results == [
        .failure(.unreadable(unreadable.command.pidFile, "it holds no process id"))
      ])
    #expect(absent.results == [.failure(.notInstalled(absent.paths.socketVMNet))])
    #expect(bare.results == [.failure(.noInterface)])
    let open = try Scene()
    open.flaw = "dir /opt is world-writable"
    open.start()
    #expect(open.results == [.failure(.unsafe("dir /opt is world-writable"))])
    for scene in [unreadable, absent, bare, open] {
      #expect(scene.words.isEmpty && scene.clock.pending.isEmpty)
    }
  }

  @Test func `sudo that wants a password is not asked five times`() throws {
    let scene = try Scene()
    scene.folderStatus = 1
    scene.start()
    scene.clock.pass(60 * FakeClock.second)
    #expect(
      scene.results == [
        .failure(.noFolder(scene.paths.varRun, "sudo: a password is required"))
      ])
    #expect(scene.words.count == 1)
  }

  @Test func `the network's end ends its socket_vmnet by pid file, once`() throws {
    let scene = try Scene()
    scene.start()
    scene.clock.pass(5 * FakeClock.second)
    scene.manager.stop("shared")
    scene.manager.stop("shared")
    scene.manager.stop("another")
    #expect(scene.stops == 1 && scene.words.last == VMNetCommand.asRoot(scene.command.stop))
    scene.clock.pass(5 * FakeClock.second)
    // The children are collected.
    #expect(scene.clock.pending.count <= 1)
  }

  @Test(arguments: [
    (VMNetLayers.PidFile.pid(4242), "/usr/sbin/cupsd" as String?, "it is left alone"),
    (.pid(4242), nil, "gone"),
    (.unreadable("permission denied"), nil, "permission denied"),
  ])
  func `a stranger's process is never ended`(
    file: VMNetLayers.PidFile, program: String?, words: String
  ) throws {
    let scene = try Scene()
    scene.start()
    scene.clock.pass(5 * FakeClock.second)
    scene.pidFile = file
    scene.programs[4242] = program
    scene.manager.stop("shared")
    #expect(scene.stops == 0 && scene.killed.isEmpty)
    #expect(scene.lines.last?.contains(words) == true, "\(scene.lines)")
  }

  @Test
  func `a network that stops while its socket_vmnet starts is told so, and nothing stays behind`()
    throws
  {
    let scene = try Scene()
    scene.behaviors = [.silent]
    scene.start()
    scene.clock.pass(3 * FakeClock.second)
    scene.manager.stop("shared")
    #expect(scene.results == [.failure(.stopped)] && scene.stops == 1)
    scene.clock.pass(60 * FakeClock.second)
    #expect(scene.results.count == 1 && scene.starts == 1 && scene.clock.pending.isEmpty)
  }

  @Test(arguments: [
    ("123", VMNetLayers.PidFile.pid(123)), ("123\n", .pid(123)), (" 9 \n", .pid(9)),
    ("", .unreadable("it holds no process id")), ("x", .unreadable("it holds no process id")),
    ("-1", .unreadable("it holds no process id")), ("0", .unreadable("it holds no process id")),
    ("1", .unreadable("it holds no process id")),
    ("99999999999", .unreadable("it holds no process id")),
  ])
  func `only a pid file with the number of a process is one`(
    text: String, expected: VMNetLayers.PidFile
  ) throws {
    let path = "/tmp/lnd-pid-\(UInt32.random(in: 0 ... .max))"
    defer { Files.remove(path) }
    #expect(VMNetLayers.pidFile(path) == .missing)
    try Fixture.write(path, text)
    #expect(VMNetLayers.pidFile(path) == expected)
  }
}

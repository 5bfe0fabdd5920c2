// SPDX-License-Identifier: Apache-2.0
//
// The state machine of a network: every state with every event, with guests and without.

import HostProtocol
import Testing

@testable import Daemon

@Suite("A network's states", .timeLimit(.minutes(1)))
struct NetworkLifeTests {
  private typealias Life = NetworkLife<String, Int>
  private typealias Event = NetworkEvent<String, Int>

  private static let error = ErrorReport(.system, "why")

  private static let events: [(name: String, event: Event)] = [
    ("start", .start), ("stop", .stop(reason: "asked")), ("demandChanged", .demandChanged),
    ("configured", .configured), ("socketsOpened", .socketsOpened),
    ("interfaceAppeared", .interfaceAppeared),
    ("socketsRefused", .socketsRefused(error)), ("planned", .planned("new", attempt: 1)),
    ("planned for another start", .planned("new", attempt: 9)), ("spawned", .spawned(8)),
    ("started", .started), ("refused", .refused(error, mayPass: false)),
    ("refused for now", .refused(error, mayPass: true)), ("cannotStart", .cannotStart(error)),
    ("noInterface", .noInterface(error)), ("complained", .complained(error)),
    ("revised", .revised("new")), ("interfaceLost", .interfaceLost(error, reason: "gone")),
    ("hung", .hung(reason: "stuck")),
    ("ended", .ended(lifetime: 5_000_000_000)), ("retryDue", .retryDue), ("graceOver", .graceOver),
  ]

  /// How a life comes to each state; process 7 runs with the plan "plan".
  private static let ways: [(name: String, events: [Event])] = [
    ("stopped", []),
    ("failed", [.start, .cannotStart(ErrorReport(.system, "before"))]),
    ("starting", [.start, .planned("plan", attempt: 1), .spawned(7)]),
    ("running", [.start, .planned("plan", attempt: 1), .spawned(7), .started]),
    (
      "restarting",
      [.start, .planned("plan", attempt: 1), .spawned(7), .started, .ended(lifetime: 0)]
    ),
    (
      "stopping",
      [.start, .planned("plan", attempt: 1), .spawned(7), .started, .stop(reason: "asked")]
    ),
  ]

  private static func life(_ state: String, restarts: Int = 0) throws -> Life {
    var life = Life(restarts: restarts)
    let way = try #require(ways.first { $0.name == state })
    for event in way.events { _ = life.step(event, NetworkFacts(hasLinks: true)) }
    #expect(life.state.phase.rawValue == state)
    return life
  }

  /// What becomes of it, in words: the state, what it has, and what is to be done.
  private static func outcome(_ before: Life, _ event: Event, _ facts: NetworkFacts) -> String {
    var life = before
    let effects = life.step(event, facts)
    var words = [life.state.phase.rawValue]
    if let plan = life.state.plan { words.append("plan=\(plan)") }
    if let process = life.state.process { words.append("process=\(process)") }
    if let error = life.state.error { words.append("error=\(error)") }
    if life.state.isInGracePeriod { words.append("grace") }
    if let reason = life.state.endReason { words.append("reason=\(reason)") }
    return words.joined(separator: " ") + effects.map { "; " + text($0) }.joined()
  }

  private static func text(_ effect: NetworkEffect<Int>) -> String {
    switch effect {
    case .prepare(let attempt): "prepare \(attempt)"
    case .serve(let process): "serve \(process)"
    case .end(let process): "end \(process.map { "\($0)" } ?? "nothing")"
    case .kill(let process): "kill \(process)"
    case .scheduleRetry(let delay): "retry in \(delay / 1_000_000) ms"
    case .complain(let report): "complain \(report)"
    case .complainOfInterface(let report): "complain of interface \(report)"
    case .announceStop(let reason): "announce \(reason)"
    case .refuse(let report): "refuse \(report)"
    case .dismissGuests(let reason): "dismiss: \(reason)"
    case .letGo(let isFailure): isFailure ? "let go failed" : "let go"
    case .startIfWanted(let asked): asked ? "start" : "start if wanted"
    default: "\(effect)"
    }
  }

  private static let fails =
    "let go failed; complain why; refuse why; dismiss: the network cannot start; dropFrames; settle"
  private static let rests = "let go; watchFrames; settle"

  /// With a guest there. A pair that is not here changes nothing and does nothing.
  private static let withGuest: [String: [String: String]] = [
    "stopped": [
      "start": "starting; prepare 1",
      "stop": "stopped; settle",
      "socketsRefused": "failed error=why",
    ],
    "failed": [
      "start": "starting; prepare 2",
      "stop": "stopped; settle",
      "configured": "stopped",
      "socketsOpened": "stopped", "interfaceAppeared": "stopped",
      "socketsRefused": "failed error=why",
    ],
    "starting": [
      "stop":
        "stopping plan=plan process=7; announce asked; dismiss: asked; refuseForStop; end 7",
      "planned": "starting plan=new process=7",
      "spawned": "starting plan=plan process=8",
      "started": "running plan=plan process=7; serve 7",
      "refused": "failed error=why; kill 7; \(fails)",
      "refused for now": "failed error=why; kill 7; \(fails)",
      "cannotStart": "failed error=why; \(fails)",
      "noInterface": "failed error=why; \(fails)",
      "complained": "starting plan=plan process=7 error=why",
      "ended": "restarting plan=plan; watchGuests; retry in 0 ms",
    ],
    "running": [
      "stop":
        "stopping plan=plan process=7; announce asked; dismiss: asked; refuseForStop; end 7",
      "complained": "running plan=plan process=7 error=why",
      "revised": "running plan=new process=7",
      "interfaceLost": "running plan=plan process=7 error=why reason=gone; kill 7",
      "hung": "running plan=plan process=7 reason=stuck; kill 7",
      "ended": "restarting plan=plan; watchGuests; retry in 0 ms",
    ],
    "restarting": [
      "start": "starting plan=plan; cancelRetry; prepare 2",
      "stop":
        "stopping plan=plan; cancelRetry; announce asked; dismiss: asked; refuseForStop; end nothing",
      "retryDue": "starting plan=plan; cancelRetry; prepare 2",
    ],
    "stopping": [
      "complained": "stopping plan=plan process=7 error=why",
      "ended": "stopped; \(rests); start if wanted",
    ],
  ]

  /// Where it matters that nobody is there.
  private static let withoutGuest: [String: [String: String]] = [
    "starting": ["ended": "stopped; \(rests); start if wanted"],
    "running": [
      "demandChanged": "running plan=plan process=7 grace; beginGrace",
      "ended": "stopped; \(rests); start if wanted",
    ],
    "restarting": [
      "demandChanged":
        "stopping plan=plan; cancelRetry; announce its guests have left; dismiss: its guests have left; "
        + "refuseForStop; end nothing"
    ],
  ]

  @Test(arguments: [true, false])
  func `every event in every state does what the table says, and nothing where it says nothing`(
    hasGuest: Bool
  ) throws {
    for (state, _) in Self.ways {
      let life = try Self.life(state)
      let same = Self.outcome(life, .planned("", attempt: 0), NetworkFacts())
      for (name, event) in Self.events {
        let special = hasGuest ? nil : Self.withoutGuest[state]?[name]
        let expected = special ?? Self.withGuest[state]?[name] ?? same
        let found = Self.outcome(life, event, NetworkFacts(hasLinks: hasGuest))
        #expect(found == expected, "\(state), \(name)")
      }
    }
    // Nothing in the table is about a state or an event that there is not.
    let (states, names) = (Set(Self.ways.map(\.name)), Set(Self.events.map(\.name)))
    for table in [Self.withGuest, Self.withoutGuest] {
      #expect(states.isSuperset(of: table.keys))
      for row in table.values { #expect(names.isSuperset(of: row.keys)) }
    }
  }

  @Test func `after a crash what may pass is waited for, as long as somebody waits`() throws {
    let guest = NetworkFacts(hasLinks: true)
    let starting = try Self.life("starting", restarts: 1)
    #expect(
      Self.outcome(starting, .refused(Self.error, mayPass: true), guest)
        == "restarting plan=plan error=why; kill 7; complain why; retry in 0 ms")
    #expect(
      Self.outcome(starting, .refused(Self.error, mayPass: false), guest)
        == "failed error=why; kill 7; \(Self.fails)")
    #expect(
      Self.outcome(starting, .noInterface(Self.error), guest)
        == "restarting plan=plan error=why; complain of interface why; retry in 0 ms; closeForwards; refuse why; reconsider"
    )
    #expect(
      Self.outcome(starting, .noInterface(Self.error), NetworkFacts(hasWaiters: true))
        == "failed error=why; \(Self.fails)")
  }

  @Test func `a network that must not begin fails, from wherever it would`() throws {
    let facts = NetworkFacts(obstacle: Self.error, hasLinks: true)
    for state in ["stopped", "failed"] {
      #expect(
        Self.outcome(try Self.life(state), .start, facts) == "failed error=why; \(Self.fails)")
    }
    #expect(
      Self.outcome(try Self.life("restarting"), .retryDue, facts)
        == "failed error=why; cancelRetry; \(Self.fails)")
  }

  @Test func `a start that is asked for while it stops comes after, unless it is stopped again`()
    throws
  {
    var life = try Self.life("stopping")
    _ = life.step(.start, NetworkFacts())
    #expect(
      Self.outcome(life, .ended(lifetime: 0), NetworkFacts()) == "stopped; \(Self.rests); start")
    _ = life.step(.stop(reason: "asked"), NetworkFacts())
    #expect(
      Self.outcome(life, .ended(lifetime: 0), NetworkFacts())
        == "stopped; \(Self.rests); start if wanted")
  }

  @Test func `the grace period ends with a guest, and with it the network when none comes`() throws
  {
    var life = try Self.life("running")
    _ = life.step(.demandChanged, NetworkFacts())
    #expect(life.state.isInGracePeriod)
    #expect(Self.outcome(life, .demandChanged, NetworkFacts()).hasSuffix("grace"))
    #expect(
      Self.outcome(life, .demandChanged, NetworkFacts(isHeld: true))
        == "running plan=plan process=7; cancelGrace")
    #expect(
      Self.outcome(life, .graceOver, NetworkFacts())
        == "stopping plan=plan process=7; cancelGrace; announce no guests; dismiss: no guests; "
        + "refuseForStop; end 7")
  }

  @Test func `pauses between deaths grow, and who waits for a start is told of the second`() throws
  {
    var life = Life()
    let facts = NetworkFacts(hasLinks: true, hasWaiters: true)
    var said: [String] = []
    for process in 1...3 {
      _ = life.step(.start, facts)
      _ = life.step(.spawned(process), facts)
      said.append(Self.outcome(life, .ended(lifetime: 0), facts))
      _ = life.step(.ended(lifetime: 0), facts)
    }
    #expect(
      said == [
        "restarting; watchGuests; retry in 0 ms",
        "restarting; watchGuests; retry in 100 ms; refuseForDeath",
        "restarting; watchGuests; retry in 200 ms; refuseForDeath",
      ])
    #expect(life.restarts == 3)
  }

  @Test
  func `a network whose process ends at each start has failed, until one starts or it is stopped`()
    throws
  {
    let guest = NetworkFacts(hasLinks: true)
    let report = ErrorReport(.internal, "died")
    var life = Life()
    for process in 1...2 {
      _ = life.step(.start, guest)
      _ = life.step(.spawned(process), guest)
      _ = life.step(.ended(lifetime: 0, report), guest)
    }
    #expect(life.failedStarts == 2)
    let told = "failed error=died"
    let rests = "let go; dismiss: the network cannot start; watchFrames; settle; start if wanted"
    #expect(
      Self.outcome(life, .demandChanged, NetworkFacts()) == "\(told); cancelRetry; \(rests)")
    // And where nobody was left when it died.
    _ = life.step(.retryDue, guest)
    _ = life.step(.spawned(3), guest)
    #expect(
      Self.outcome(life, .ended(lifetime: 0, report), NetworkFacts()) == "\(told); \(rests)")
    var running = life
    _ = running.step(.started, guest)
    #expect(
      Self.outcome(running, .ended(lifetime: 0), NetworkFacts())
        == "stopped; \(Self.rests); start if wanted")
    _ = life.step(.stop(reason: "asked"), guest)
    #expect(
      Self.outcome(life, .ended(lifetime: 0), NetworkFacts())
        == "stopped; \(Self.rests); start if wanted")
  }

  @Test func `a network that failed refuses guests for a second`() throws {
    var life = Life()
    _ = life.step(
      .start, NetworkFacts(obstacle: Self.error, now: 5_000_000_000))
    #expect(life.state.refusesGuests(at: 5_900_000_000))
    #expect(!life.state.refusesGuests(at: 6_000_000_000))
  }

  @Test func `an answer to an earlier start is none to this one`() throws {
    var life = Life()
    for event: Event in [.start, .stop(reason: ""), .ended(lifetime: 0), .start] {
      _ = life.step(event, NetworkFacts())
    }
    #expect(!life.state.isStarting(1) && life.state.isStarting(2))
  }
}

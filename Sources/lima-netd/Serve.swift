// SPDX-License-Identifier: Apache-2.0
//
// serve: runs the daemon in the foreground until SIGTERM or SIGINT.

import ArgumentParser
import Daemon
import LibC
import Logging
import Platform

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve the networks of a Lima home (what lima-netd does without a command).",
    discussion: """
        lima-netd
        lima-netd serve --plugin-dir ./plugins --config ./networks.yaml
        LIMA_HOME=/tmp/try lima-netd serve --grace-period 1m --log-level debug

      Listens at the sockets of every network in networks.yaml, and of the built-in networks `default` and `user-v2`. \
      A network starts with its first guest and stops when the last one has been gone for the grace period.

      networks.yaml is watched, and reread when it changes. Signals: SIGTERM and SIGINT stop everything; SIGHUP rereads \
      networks.yaml, the plugin directories and the host's resolver configuration; SIGUSR2 is `lima-netd upgrade`. What changed in `dns:` holds at once, also for networks that run, whose guests do not \
      notice; all else of a network holds from its next start on. A networks.yaml with mistakes is refused with file, line and column, and the one before \
      stays in force.

      Commands that ask for something that lasts (attach, capture, forward add, instance up, network start) start a daemon \
      in the background where none serves the home; it stays until `lima-netd stop`. exec, tap and dns query have a \
      private one for as long as they run. Whatever only lists or takes away says that there is none.

      Plugins are looked for in each --plugin-dir in turn, then in those of `plugins:` in networks.yaml, then in \
      lima-netd's own directory. They are files called lima-net-NAME.so and lima-dns-NAME.so.
      """)

  @OptionGroup var home: HomeOptions

  @Option(
    name: .customLong("plugin-dir"), parsing: .singleValue,
    help: ArgumentHelp("Directory with plugins; may be given several times.", valueName: "dir"),
    completion: .directory)
  var pluginDirectories: [String] = []

  @Option(
    help: ArgumentHelp(
      "The configuration. (default: _config/networks.yaml in the Lima home)", valueName: "file"),
    completion: .file(extensions: ["yaml"]))
  var config: String?

  @Option(
    help:
      "How long a network without guests goes on, as 500ms, 10s or 5m; a number alone is seconds.",
    transform: Duration.init)
  var gracePeriod: Duration = Duration(nanoseconds: ServeOptions.defaultGracePeriod)

  @Option(help: "trace, debug, info, notice, warning, error or critical.")
  var logLevel: Level = Level(value: .info)

  /// Started by a command (StartedDaemon), which and whose terminal it outlives.
  @Flag(help: .hidden) var background = false

  func options() throws -> ServeOptions {
    let directory = CurrentProcess.workingDirectory
    func absolute(_ path: String) -> String {
      LimaHome(path: path, workingDirectory: directory).path
    }
    var options = ServeOptions(
      home: try home.resolve(), configFile: config.map(absolute),
      pluginDirectories: pluginDirectories.map(absolute), gracePeriod: gracePeriod.nanoseconds,
      version: LimaNetd.version,
      installation: Installation(executable: try ChildProcess.ownPath()))
    // Lima resolves links in its home; the sockets' paths must not depend on the name that was used.
    if let real = try? Files.realPath(options.home.path) {
      let explicit = options.configFile != options.home.configFile
      options.home = LimaHome(path: real)
      if !explicit { options.configFile = options.home.configFile }
    }
    #if os(Linux)
      options.remedyHome = PrivateDaemon.startersHome
    #endif
    return options
  }

  func run() throws {
    if background { _ = setsid() }
    let options = try options()
    #if os(Linux)
      defer { PrivateDaemon.removeFilesOfOrphan(options.home) }
    #endif
    do {
      guard try DaemonProcess.run(options, logLevel: logLevel.value) else { return }
      // The same arguments with the present file, which may be another version.
      try ChildProcess.replace(
        options.installation.executable, Array(CommandLine.arguments.dropFirst()))
    } catch let error as SystemError {
      throw CommandFailure(error)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  struct Duration: CustomStringConvertible {
    let nanoseconds: UInt64

    init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    init(_ text: String) throws {
      let seconds = Double(text) == nil ? text : text + "s"
      guard let value = DurationText.nanoseconds(seconds) else {
        throw ValidationError(
          "a time is taken, as 500ms, 10s, 5m or 1h, and no more than a few years")
      }
      nanoseconds = value
    }

    var description: String { "\(nanoseconds / 1_000_000_000)s" }
  }

  struct Level: ExpressibleByArgument {
    let value: Logger.Level

    init(value: Logger.Level) { self.value = value }

    init?(argument: String) {
      guard let value = Logger.Level(rawValue: argument.lowercased()) else { return nil }
      self.value = value
    }

    static var defaultCompletionKind: CompletionKind { .list(allValueStrings) }
    static var allValueStrings: [String] { Logger.Level.allCases.map(\.rawValue) }
    var defaultValueDescription: String { value.rawValue }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// HomeOptions: the option of every command for the Lima home.

import ArgumentParser
import Daemon
import Platform

struct HomeOptions: ParsableArguments {
  @Option(
    name: .customLong("lima-home"),
    help: ArgumentHelp(
      "Directory with the configuration and the sockets. (default: $LIMA_HOME, else ~/.lima)",
      valueName: "dir"),
    completion: .directory)
  var path: String?

  /// " --lima-home DIR" for another command with the same home; "" if the option was not given.
  var words: String {
    guard path != nil || CurrentProcess.environment["LIMA_HOME"]?.isEmpty == false,
      let home = try? resolve()
    else { return "" }
    return " --lima-home \(ShellWord.quoted(home.path))"
  }

  /// The same for a given home; "" for the default home.
  static func words(for home: LimaHome) -> String {
    let usual = LimaHome(
      explicit: nil, environment: CurrentProcess.environment.filter { $0.key != "LIMA_HOME" },
      workingDirectory: CurrentProcess.workingDirectory)
    return home.path == usual?.path ? "" : " --lima-home \(ShellWord.quoted(home.path))"
  }

  /// The home whose daemon is asked. For root by sudo without the option it is that of the user who called sudo, if root
  /// has none.
  func resolveServed() throws -> LimaHome {
    let home = try resolve()
    let environment = CurrentProcess.environment
    guard path == nil, environment["LIMA_HOME"]?.isEmpty ?? true, CurrentProcess.isRoot,
      let uid = environment["SUDO_UID"].flatMap({ UInt32($0) }), uid != 0,
      !Files.exists(home.controlSocket), let directory = AccountNames.home(uid)
    else { return home }
    let theirs = LimaHome(path: directory + "/.lima")
    // The socket must belong to the user who called sudo.
    guard theirs.problem == nil,
      (try? Files.info(theirs.controlSocket, followLinks: false))?.uid == uid
    else { return home }
    return theirs
  }

  /// The home whose networks.yaml is used. For root by sudo without the option it is that of the user who called sudo, if
  /// root has none.
  func resolveConfigured() throws -> LimaHome {
    let home = try resolve()
    let environment = CurrentProcess.environment
    guard path == nil, environment["LIMA_HOME"]?.isEmpty ?? true, CurrentProcess.isRoot,
      let uid = environment["SUDO_UID"].flatMap({ UInt32($0) }), uid != 0,
      !Files.exists(home.configFile), let directory = AccountNames.home(uid)
    else { return home }
    let theirs = LimaHome(path: directory + "/.lima")
    return theirs.problem == nil && Files.exists(theirs.configFile) ? theirs : home
  }

  /// The home of this invocation.
  /// - Throws: `CommandFailure` if neither option, environment nor user database has it, its path is too long for sockets,
  ///   or it is no directory.
  func resolve() throws -> LimaHome {
    var environment = CurrentProcess.environment
    if environment["HOME"]?.isEmpty ?? true {
      // HOME is not set by cron, or in a unit without a user's session.
      environment["HOME"] = AccountNames.home(CurrentProcess.effectiveUser)
    }
    let home = LimaHome(
      explicit: path, environment: environment,
      workingDirectory: CurrentProcess.workingDirectory)
    guard let home else {
      throw CommandFailure(
        "There is no Lima home: $HOME is not set, and user \(CurrentProcess.effectiveUser) has no home",
        remedy: "Say which:  --lima-home DIR, or $LIMA_HOME")
    }
    if let obstacle = HomeTrust.obstacle(home) { throw CommandFailure(obstacle) }
    guard let problem = home.problem else { return home }
    // Its real path, by which the daemon serves it, may be short enough.
    if let real = try? Files.realPath(home.path) {
      let byItsName = LimaHome(path: real)
      if byItsName.problem == nil { return byItsName }
    }
    throw CommandFailure(problem.prefix(1).uppercased() + problem.dropFirst())
  }
}

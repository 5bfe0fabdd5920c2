// SPDX-License-Identifier: Apache-2.0
//
// HomeOptions: the one option every command has, which Lima home it is about.

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

  /// The home this invocation is about.
  /// - Throws: `ValidationError` when neither flag nor environment says where it is, `CommandFailure` when its path is too
  ///   long for sockets.
  func resolve() throws -> LimaHome {
    let home = LimaHome(
      explicit: path, environment: CurrentProcess.environment,
      workingDirectory: CurrentProcess.workingDirectory)
    guard let home else {
      throw ValidationError("No Lima home: neither --lima-home, $LIMA_HOME nor $HOME is set.")
    }
    guard let problem = home.problem else { return home }
    // By another name it may be short enough: the daemon serves it by its real one.
    if let real = try? Files.realPath(home.path) {
      let byItsName = LimaHome(path: real)
      if byItsName.problem == nil { return byItsName }
    }
    throw CommandFailure(problem.prefix(1).uppercased() + problem.dropFirst())
  }
}

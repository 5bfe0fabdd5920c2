// SPDX-License-Identifier: Apache-2.0
//
// UpgradeCandidate: the program that is to take the daemon's place. Before it does, it is run as a child,
// `PROGRAM upgrade-check -- WORDS`, with the state at its standard input, and says whether it goes on with that.

import HostProtocol
import Platform

/// What `upgrade-check` prints, as JSON.
package struct UpgradeVerdict: Codable, Sendable {
  package var version: String
  /// Why it does not; nil: it does.
  package var error: ErrorReport?

  package init(version: String, error: ErrorReport?) {
    self.version = version
    self.error = error
  }
}

struct UpgradeCandidate {
  let path: String
  /// The daemon's own, after the program's name.
  let words: [String]

  static let command = "upgrade-check"
  /// Seconds.
  private static let time: UInt64 = 10

  private var arguments: [String] { [Self.command, "--"] + words }

  /// The loop goes on meanwhile.
  /// - Returns: its version.
  func check(_ state: Int32, loop: EventLoop) async throws(ErrorReport) -> String {
    if let trouble = FileTrouble.ofProgram(path) { throw trouble }
    let outcome: LoopCommand.Outcome
    do throws(SystemError) {
      outcome = try await LoopCommand.run(
        [path] + arguments, input: state, within: Self.time * 1_000_000_000, loop: loop)
    } catch {
      throw cannotRun(error)
    }
    return try judge(outcome.status, said: outcome.said).get()
  }

  /// Blocks: nothing may change before the program is replaced.
  func checkNow(_ state: Int32) -> Result<String, ErrorReport> {
    do throws(SystemError) {
      let result = try BoundedCommand.run(path, arguments, seconds: Self.time, input: state)
      return judge(result.status, said: result.output + result.errors)
    } catch {
      return .failure(cannotRun(error))
    }
  }

  func cannotRun(_ error: SystemError) -> ErrorReport {
    refused("it cannot be run: \(error)")
  }

  private func judge(
    _ status: ChildProcess.ExitStatus?, said: String
  ) -> Result<String, ErrorReport> {
    guard let status else { return .failure(refused("it has not answered for \(Self.time) s")) }
    guard status.isSuccess, let verdict = try? JSONText.decode(UpgradeVerdict.self, from: said)
    else {
      let words = said.split(separator: "\n").last.map { ": \($0.prefix(300))" } ?? ""
      return .failure(refused("it \(status)\(words)"))
    }
    if let error = verdict.error {
      return .failure(
        ErrorReport(
          code: error.code,
          message: "version \(verdict.version) does not go on with this daemon: \(error.message)"))
    }
    return .success(verdict.version)
  }

  private func refused(_ text: String) -> ErrorReport {
    ErrorReport(
      .system,
      "\(path) does not come up: \(text). The daemon goes on as it is: install the program anew")
  }
}

extension FileTrouble {
  /// Why a file is no program that can be run; nil: it may be.
  static func ofProgram(_ path: String) -> ErrorReport? {
    guard let info = try? Files.info(path) else {
      return ErrorReport(
        .notFound,
        "there is no \(path) any more, from which the daemon was started: install it there again, "
          + "or start the daemon anew from where it is now. The daemon goes on as it is")
    }
    guard info.kind == .file else {
      return ErrorReport(.invalidConfig, "\(path) is no file. The daemon goes on as it is")
    }
    return nil
  }
}

extension ServeOptions {
  /// `upgrade-check`: whether a daemon with these options goes on with a state.
  /// - Parameter state: a descriptor of `HandoverMemory`.
  package func verdict(on state: Int32) -> UpgradeVerdict {
    do throws(ErrorReport) {
      #if os(Linux)
        let bytes: [UInt8]
        do throws(SystemError) { bytes = try HandoverMemory.read(state) } catch {
          throw ErrorReport(.system, "the state cannot be read: \(error)")
        }
        let state = try StateCheck.decode(bytes)
        if let refusal = StateCheck.refusal(of: state) { throw refusal }
        guard state.home == home.path else {
          throw ErrorReport(.invalidConfig, "its home would be \(home.path), not \(state.home)")
        }
        if let problem = home.problem ?? HomeTrust().problem(home: home) {
          throw ErrorReport(.invalidConfig, problem)
        }
        for directory in pluginDirectories + [installation.pluginDirectory]
        where (try? Files.info(directory))?.kind != .directory {
          throw ErrorReport(.notFound, "there is no plugin folder \(directory)")
        }
        guard (try? Files.info(installation.hostExecutable))?.kind == .file else {
          throw ErrorReport(.notFound, "\(ServeError.noHost(installation.hostExecutable))")
        }
        return UpgradeVerdict(version: version, error: nil)
      #else
        throw ErrorReport(.unsupported, "this system has no upgrade in place")
      #endif
    } catch {
      return UpgradeVerdict(version: version, error: error)
    }
  }
}

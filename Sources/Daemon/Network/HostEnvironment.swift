// SPDX-License-Identifier: Apache-2.0
//
// HostEnvironment: what processes that load plugins find in their environment.

import Platform

enum HostEnvironment {
  /// This process's own, and no backtraces by the Swift runtime unless wanted: its handler takes seconds, in which the
  /// network is down, and a process that was sent SIGSEGV even survives it.
  static var variables: [String] {
    var environment = CurrentProcess.environment
    if environment["SWIFT_BACKTRACE"] == nil { environment["SWIFT_BACKTRACE"] = "enable=no" }
    return environment.map { "\($0.key)=\($0.value)" }
  }
}

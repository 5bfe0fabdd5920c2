// SPDX-License-Identifier: Apache-2.0
//
// Temporary: names for short-lived files. They are short, since sockets are created below some of them and a socket's path
// has at most 107 bytes; random, and always created exclusively.

import Platform

enum Temporary {
  static func path() -> String {
    let wanted = CurrentProcess.environment["TMPDIR"] ?? "/tmp"
    let directory = wanted.hasPrefix("/") && wanted.utf8.count <= 32 ? wanted : "/tmp"
    return directory + "/lima-netd-" + String(UInt64.random(in: .min ... .max), radix: 36)
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// lima-netd-host: the process of one network. Started by lima-netd, not by
// people.

import Host

@main
struct NetworkHost {
  static func main() {
    HostMain.run(Array(CommandLine.arguments.dropFirst()))
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// The context of an instance on this machine, for this user.

import Platform

extension InstanceContext {
  package static func here(
    home: LimaHome, networks: [NetworkConfiguration], limaVersion: String?
  ) -> InstanceContext {
    let environment = CurrentProcess.environment
    return InstanceContext(
      home: home, networks: networks, machineID: MachineID.current, limaVersion: limaVersion,
      user: (
        home: environment["HOME"] ?? "/", name: environment["USER"] ?? "lima",
        id: CurrentProcess.effectiveUser, temporary: environment["TMPDIR"] ?? "/tmp"
      ),
      kindOfFile: { (try? Files.info($0))?.kind })
  }
}

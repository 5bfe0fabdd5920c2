// SPDX-License-Identifier: Apache-2.0
//
// Two Lima homes of one user whose networks want one interface, or one subnet.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct NeighbourHomeTests {
    @Test
    func `what another home's daemon has is told with that home, by the network and by doctor`()
      throws
    {
      try require(.tap, .root)
      let scene = try HostTapScene(
        configuration: "networks:\n  shared: {mode: shared}\n")
      defer { scene.stop() }
      #expect(try scene.daemon.netd("network", "start", "shared").succeeded, "\(scene.daemon.log)")
      let second = try TestDaemon(
        configuration: "networks:\n  other: {mode: shared, gateway: 192.168.105.1}\n",
        wrapper: scene.host.wrapper)
      defer { second.stop() }
      let owner = "the lima-netd of \(scene.daemon.home) (process "
      let subnet = try second.netd("network", "start", "other")
      #expect(!subnet.succeeded && subnet.errors.contains("is that of \(owner)"), "\(subnet)")
      let doctor = try second.netd("doctor", "shared")
      #expect(doctor.output.contains(owner), "\(doctor)")

      try second.write(configuration: "networks:\n  shared: {mode: shared}\n")
      #expect(try eventually { try !second.network("shared").isEmpty })
      let name = try second.netd("network", "start", "shared")
      #expect(!name.succeeded && name.errors.contains("in use by \(owner)"), "\(name)")
      let command = "network stop shared --lima-home \(scene.daemon.home)"
      #expect(name.errors.contains(command), "\(name)")
      let again = try second.netd("doctor", "shared")
      #expect(!again.succeeded && again.output.contains(command), "\(again)")
      #expect(try scene.daemon.netd("network", "stop", "shared").succeeded)
      #expect(try second.netd("network", "start", "shared").succeeded, "\(second.log)")
    }
  }
}

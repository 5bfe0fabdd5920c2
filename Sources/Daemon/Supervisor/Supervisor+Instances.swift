// SPDX-License-Identifier: Apache-2.0

import Logging
import Platform

extension Supervisor: InstanceSurroundings {
  package var home: LimaHome { options.home }
  package var configuredNetworks: [NetworkConfiguration] { configuration.current.networks }
  var collectInstances: @Sendable () -> Void {
    { [bridge] in bridge.submit { $0.instances.collect() } }
  }
  func knownNetwork(_ name: String) -> Network? { networks[name] }
}

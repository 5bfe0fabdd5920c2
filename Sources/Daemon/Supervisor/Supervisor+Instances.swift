// SPDX-License-Identifier: Apache-2.0

import Logging
import Platform

extension Supervisor: InstanceSurroundings {
  package var home: LimaHome { options.home }
  package var configuredNetworks: [NetworkConfiguration] { configuration.current.networks }
  func knownNetwork(_ name: String) -> Network? { networks[name] }
}

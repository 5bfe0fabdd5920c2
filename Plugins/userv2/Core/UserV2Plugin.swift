// SPDX-License-Identifier: Apache-2.0
//
// The user-v2 network: a gateway on the switch (Gateway/Switched) whose router has the network's second address,
// which is mapped to the host's loopback. Loop thread only.

import Gateway
import LimaNetdSDK
import NetStack
import PluginAPI

/// An instance of the userv2 plugin.
package final class UserV2: SwitchedGateway {
  let options: UserV2Options

  package required init(host: HostContext, config: NetworkConfig) throws(PluginFailure) {
    options = try UserV2Options(config.options)
    let stack = try Stack.make(host, options.stackConfig)
    try super.init(host: host, config: config, settings: options.settings, stack: stack)
  }

  package override class func validate(
    host: HostContext, config: NetworkConfig
  ) throws(PluginFailure) {
    _ = try UserV2Options(config.options)
  }

  package override func status(_ sink: lnd_sink) {
    let members: JSONObject = ["hostLoopback": .bool(options.common.hostLoopback)]
    let report = JSONValue.object(networkMembers + members + stack.statusMembers)
    host.write(sink, report.text)
  }
}

// SPDX-License-Identifier: Apache-2.0

/// The nameservers to query, with the options of resolv.conf(5) and the plugin's own.
struct ForwardPlan: Equatable {
  var servers: [ServerAddress]
  /// Seconds before the next server is tried, too.
  var timeout: UInt32
  /// How often each server is tried.
  var attempts: UInt32
  /// Over TCP from the start (`use-vc`).
  var usesTCP = false
  /// With EDNS, even if the client has none (`edns0`).
  var usesEDNS = false

  /// Default seconds and attempts. The C library waits five seconds for each, but its caller waits without limit, and
  /// a guest does not.
  static let timeout: UInt32 = 2
  static let attempts: UInt32 = 2

  init(
    servers: [ServerAddress], _ settings: HostDNSSettings,
    _ options: ResolvConf.Options = ResolvConf.Options()
  ) {
    self.servers = servers
    timeout = settings.timeout ?? options.timeout ?? Self.timeout
    attempts = settings.attempts ?? options.attempts ?? Self.attempts
    usesTCP = options.usesTCP
    usesEDNS = options.usesEDNS
  }
}

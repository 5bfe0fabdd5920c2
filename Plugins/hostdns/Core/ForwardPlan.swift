// SPDX-License-Identifier: Apache-2.0

/// Who is asked, and how: the nameservers with the options of resolv.conf(5) and the plugin's own.
struct ForwardPlan: Equatable {
  var servers: [ServerAddress]
  /// Seconds before the next server is asked, too.
  var timeout: UInt32
  /// How often each server is asked.
  var attempts: UInt32
  /// Over TCP from the start (`use-vc`).
  var usesTCP = false
  /// With EDNS, though the client has none (`edns0`).
  var usesEDNS = false

  /// Seconds and times where nobody says otherwise. The C library waits five seconds for each, but
  /// its caller waits for ever, and a guest does not.
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

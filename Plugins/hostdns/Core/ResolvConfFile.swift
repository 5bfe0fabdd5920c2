// SPDX-License-Identifier: Apache-2.0

/// A resolv.conf that is followed: read anew when the file is another one, its
/// time or its size changed. Looking costs one stat, so it is done for every
/// question, and no change is ever missed for long. Loop thread.
struct ResolvConfFile {
  let path: String
  private(set) var servers: [ServerAddress] = []
  /// Grows with each change; workers compare it to know when to read anew, too.
  private(set) var generation: UInt32 = 0
  private var stamp: HostDNSSyscalls.FileStamp?

  init(path: String) {
    self.path = path
  }

  /// Looks whether the file changed; true when it did, or with `force`.
  mutating func refresh(force: Bool = false) -> Bool {
    let current = HostDNSSyscalls.stamp(of: path)
    guard force || current != stamp else { return false }
    stamp = current
    servers = ResolvConf.servers(
      in: HostDNSSyscalls.read(path, limit: ResolvConf.maximumLength))
    generation &+= 1
    return true
  }
}

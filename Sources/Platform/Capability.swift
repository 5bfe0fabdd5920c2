// SPDX-License-Identifier: Apache-2.0
//
// Capability: Linux's capabilities (capabilities(7)) that a plugin may ask for, by number.

package enum Capability: UInt8, CaseIterable, Sendable, Codable {
  case netBindService = 10
  case netBroadcast = 11
  case netAdmin = 12
  case netRaw = 13
  case ipcLock = 14
  case sysNice = 23

  /// The name in `man 7 capabilities`, in lower case without CAP_: "net_admin".
  package var name: String {
    switch self {
    case .netBindService: "net_bind_service"
    case .netBroadcast: "net_broadcast"
    case .netAdmin: "net_admin"
    case .netRaw: "net_raw"
    case .ipcLock: "ipc_lock"
    case .sysNice: "sys_nice"
    }
  }

  /// "net_admin", "CAP_NET_ADMIN"; nil for a capability that plugins cannot have.
  package init?(name: String) {
    var name = name.lowercased()
    if name.hasPrefix("cap_") { name.removeFirst(4) }
    guard let known = Self.allCases.first(where: { $0.name == name }) else { return nil }
    self = known
  }
}

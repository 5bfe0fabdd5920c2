// SPDX-License-Identifier: Apache-2.0
//
// The control API's paths about the daemon itself and about guests.

import HTTPTypes
import HostProtocol
import Hummingbird

extension ControlRoutes {
  func addServiceRoutes(to v1: RouterGroup<ControlContext>) {
    let bridge = self.bridge
    v1.post("reload") { _, _ in try await Self.json(bridge.ask { try await $0.reloaded() }) }
    v1.post("stop") { _, _ in
      try await Self.json(bridge.ask { $0.stop(again: false) }, .accepted)
    }
    v1.post("restart") { _, _ in
      try await Self.json(bridge.ask { $0.stop(again: true) }, .accepted)
    }
    v1.get("upgrade") { _, _ in
      try await Self.json(bridge.ask { $0.upgrades.report })
    }
    v1.post("upgrade") { request, context in
      let asked = try await Self.body(UpgradeRequest.self, request, context)
      return try await Self.json(bridge.ask { try await $0.upgrade(asked) }, .accepted)
    }
  }

  func addGuestRoutes(to network: RouterGroup<ControlContext>) {
    let bridge = self.bridge
    network.get("guests") { _, context in
      let name = try Self.segment("name", context)
      return try await Self.json(bridge.ask { try await $0.guests(name) })
    }
    network.delete("guests/:guest") { _, context in
      let name = try Self.segment("name", context)
      let guest = try Self.segment("guest", context)
      return try await Self.json(bridge.ask { try await $0.disconnect(guest, of: name) })
    }
    network.patch("guests/:guest") { request, context in
      let name = try context.parameters.require("name")
      let guest = Self.percentDecoded(try context.parameters.require("guest"))
      let change = try await Self.body(GuestChange.self, request, context)
      return try await Self.json(
        bridge.ask { try await $0.rename(guest, of: name, to: change.name) })
    }
  }

  /// What stands in a path's segment.
  static func segment(_ key: String, _ context: ControlContext) throws -> String {
    percentDecoded(try context.parameters.require(key))
  }

  /// RFC 3986 2.1; the router gives segments as they came. What is no encoding stays.
  static func percentDecoded(_ segment: String) -> String {
    var bytes: [UInt8] = []
    var rest = Substring(segment)
    while let first = rest.utf8.first {
      if first == UInt8(ascii: "%"), rest.utf8.count >= 3,
        let byte = UInt8(
          rest.utf8.dropFirst().prefix(2).map { String(UnicodeScalar($0)) }.joined(), radix: 16)
      {
        bytes.append(byte)
        rest = Substring(rest.utf8.dropFirst(3))
      } else {
        bytes.append(first)
        rest = Substring(rest.utf8.dropFirst())
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

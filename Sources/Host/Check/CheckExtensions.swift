// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the extensions, as the check has them: they accept what is well-formed, and do nothing. Questions
// asked of dns/1 fail in the next turn; a TAP and uplinks are ports that nothing comes from.

import Platform
import PluginAPI

enum CheckExtensions {
  static func table(_ id: String) -> UnsafeRawPointer? {
    switch id {
    case LND_EXT_LOOPCHECK: loopCheck
    case LND_EXT_DNS: dns
    case LND_EXT_NAMES: names
    case LND_EXT_UPLINK: uplink
    case LND_EXT_TAP: tap
    case LND_EXT_GUARD: addressGuard
    case LND_EXT_DNS_CACHE: dnsCache
    default: nil
    }
  }

  // Immutable once made, for the life of the process: safe to share.
  private nonisolated(unsafe) static let loopCheck = forever(
    lnd_host_loopcheck(size: size(lnd_host_loopcheck.self), reserved: 0) { context in
      guard let context else { return 0 }
      let host = Unmanaged<CheckHost>.fromOpaque(context).takeUnretainedValue()
      return ThreadID.current == host.thread ? 1 : 0
    })

  // As above.
  private nonisolated(unsafe) static let dns = forever(
    lnd_host_dns(
      size: size(lnd_host_dns.self), reserved: 0,
      query: { context, _ in
        loop(context, "dns.query", else: 0) { host in
          guard host.asked.count < 256 else { return 0 }
          let op = host.nextID()
          host.asked.append(op)
          return op
        }
      },
      cancel: { context, op in
        loop(context, "dns.cancel", else: ()) { $0.asked.removeAll { $0 == op } }
      }))

  // As above.
  private nonisolated(unsafe) static let names = forever(
    lnd_host_names(
      size: size(lnd_host_names.self), reserved: 0,
      publish: { context, _, _ in
        loop(context, "names.publish", else: LND_ERR_INTERNAL) { _ in LND_OK }
      },
      withdraw: { context, _, _ in
        loop(context, "names.withdraw", else: LND_ERR_INTERNAL) { _ in LND_OK }
      }))

  // As above.
  private nonisolated(unsafe) static let uplink = forever(
    lnd_host_uplink(
      size: size(lnd_host_uplink.self), reserved: 0,
      add: { context, uplink in
        loop(context, "uplink.add", else: 0) { host in
          guard let fd = uplink?.pointee.fd, fd >= 0 else { return 0 }
          // The host takes it over, whatever comes of the call.
          Descriptor.close(fd)
          let port = host.nextID()
          host.ports.insert(port)
          return port
        }
      },
      remove: { context, port in
        loop(context, "uplink.remove", else: ()) { _ = $0.ports.remove(port) }
      },
      relay: { context, frames, count in
        loop(context, "uplink.relay", else: ()) { host in
          let frames = UnsafeBufferPointer(start: frames, count: frames == nil ? 0 : Int(count))
          guard let port = host.ports.first else { return }
          _ = host.take(port, frames)
        }
      }))

  // As above.
  private nonisolated(unsafe) static let tap = forever(
    lnd_host_tap(
      size: size(lnd_host_tap.self), reserved: 0,
      describe: { context, tap in
        loop(context, "tap.describe", else: LND_ERR_INTERNAL) { _ in
          guard let tap, tap.pointee.size >= UInt32(ABI11.tap) else { return LND_ERR_INTERNAL }
          tap.pointee.mtu = 1500
          tap.pointee.mac = (0x52, 0x55, 0x55, 0, 0, 1)
          tap.pointee.name = HostIdentity.staticText("check0")
          return LND_OK
        }
      },
      add: { context, _ in
        loop(context, "tap.add", else: 0) { host in
          let port = host.nextID()
          host.ports.insert(port)
          return port
        }
      }))

  // As above.
  private nonisolated(unsafe) static let addressGuard = forever(
    lnd_host_guard(
      size: size(lnd_host_guard.self), reserved: 0,
      bind: { context, _ in loop(context, "guard.bind", else: LND_ERR_INTERNAL) { _ in LND_OK } },
      unbind: { context, _ in loop(context, "guard.unbind", else: ()) { _ in } },
      serve_dhcp: { context, _ in loop(context, "guard.serve_dhcp", else: ()) { _ in } }))

  // As above.
  private nonisolated(unsafe) static let dnsCache = forever(
    lnd_host_dns_cache(size: size(lnd_host_dns_cache.self), reserved: 0) { context in
      loop(context, "dns-cache.flush", else: ()) { _ in }
    })

  private static func size<Table>(_: Table.Type) -> UInt32 { UInt32(MemoryLayout<Table>.size) }

  private static func forever<Table>(_ table: Table) -> UnsafeRawPointer {
    let memory = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    memory.initialize(to: table)
    return UnsafeRawPointer(memory)
  }
}

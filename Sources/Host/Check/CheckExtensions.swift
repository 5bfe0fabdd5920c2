// SPDX-License-Identifier: Apache-2.0
//
// The host's extensions during the check: they accept valid arguments and have no effect. Questions to dns/1 fail in the
// next iteration; a TAP and uplinks are ports that receive no frames.

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
    case LND_EXT_DNS_NEXT: dnsNext
    default: nil
    }
  }

  // Immutable after initialisation and never freed, so that threads may share it.
  private nonisolated(unsafe) static let loopCheck = forever(
    lnd_host_loopcheck(size: size(lnd_host_loopcheck.self), flags: 0) { context in
      guard let context else { return 0 }
      let host = Unmanaged<CheckHost>.fromOpaque(context).takeUnretainedValue()
      return ThreadID.current == host.thread ? 1 : 0
    })

  // As above.
  private nonisolated(unsafe) static let dns = forever(
    lnd_host_dns(
      size: size(lnd_host_dns.self), flags: 0,
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
      size: size(lnd_host_names.self), flags: 0,
      publish: { context, _, _ in
        loop(context, "names.publish", else: LND_ERR_INTERNAL) { _ in LND_OK }
      },
      withdraw: { context, _, _ in
        loop(context, "names.withdraw", else: LND_ERR_INTERNAL) { _ in LND_OK }
      }))

  // As above.
  private nonisolated(unsafe) static let uplink = forever(
    lnd_host_uplink(
      size: size(lnd_host_uplink.self), flags: 0,
      add: { context, uplink, port in
        port?.pointee = 0
        return loop(context, "uplink.add", else: LND_ERR_MISUSE) { host in
          guard let port, let uplink else { return LND_ERR_MISUSE }
          let fd = uplink.pointee.fd
          // The host owns the descriptor whatever the result of the call.
          if fd >= 0 { Descriptor.close(fd) }
          guard (uplink.pointee.transport == LND_UPLINK_PLUGIN) == (fd < 0) else {
            return LND_ERR_MISUSE
          }
          port.pointee = host.addPort()
          return LND_OK
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
      size: size(lnd_host_tap.self), flags: 0,
      describe: { context, tap in
        loop(context, "tap.describe", else: LND_ERR_INTERNAL) { _ in
          guard let tap, tap.pointee.size >= UInt32(ABI10.tap) else { return LND_ERR_INTERNAL }
          tap.pointee.mtu = 1500
          tap.pointee.mac = (0x52, 0x55, 0x55, 0, 0, 1)
          tap.pointee.name = HostIdentity.staticText("check0")
          return LND_OK
        }
      },
      add: { context, _, port in
        port?.pointee = 0
        return loop(context, "tap.add", else: LND_ERR_MISUSE) { host in
          guard let port else { return LND_ERR_MISUSE }
          port.pointee = host.addPort()
          return LND_OK
        }
      }))

  // As above.
  private nonisolated(unsafe) static let addressGuard = forever(
    lnd_host_guard(
      size: size(lnd_host_guard.self), flags: 0,
      bind: { context, _ in loop(context, "guard.bind", else: LND_ERR_INTERNAL) { _ in LND_OK } },
      unbind: { context, _ in loop(context, "guard.unbind", else: ()) { _ in } },
      serve: { context, _ in loop(context, "guard.serve", else: ()) { _ in } }))

  // As above.
  private nonisolated(unsafe) static let dnsCache = forever(
    lnd_host_dns_cache(
      size: size(lnd_host_dns_cache.self), flags: 0,
      flush: { context in loop(context, "dns-cache.flush", else: ()) { _ in } },
      keep_private: { context, op in
        loop(context, "dns-cache.keep_private", else: LND_ERR_MISUSE) { host in
          host.pending.contains(op) ? LND_OK : LND_ERR_NOT_FOUND
        }
      }))

  // As above. The next plugin answers each question with a failure.
  private nonisolated(unsafe) static let dnsNext = forever(
    lnd_host_dns_next(
      size: size(lnd_host_dns_next.self), flags: 0,
      query: { context, _, _ in
        loop(context, "dns-next.query", else: 0) { host in
          guard host.asked.count < 4096 else { return 0 }
          let op = host.nextID()
          host.asked.append(op)
          return op
        }
      },
      cancel: { context, op in
        loop(context, "dns-next.cancel", else: ()) { $0.asked.removeAll { $0 == op } }
      }))

  private static func size<Table>(_: Table.Type) -> UInt32 { UInt32(MemoryLayout<Table>.size) }

  private static func forever<Table: BitwiseCopyable>(_ table: Table) -> UnsafeRawPointer {
    UnsafeRawPointer(ABITable.forever(table))
  }
}

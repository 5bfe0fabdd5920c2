// SPDX-License-Identifier: Apache-2.0
//
// Name resolution as the host does it: getaddrinfo, thus /etc/hosts, nsswitch.conf, mDNS and a VPN's settings.
// Blocks: for worker threads.

import CPlatform

package enum HostLookup {
  package enum Outcome: Equatable, Sendable {
    /// 4 or 16 octets each, in getaddrinfo's order.
    case found([[UInt8]])
    /// The name does not exist.
    case noName
    /// The name exists, but has no address of the family.
    case noData
    /// No server answered in time.
    case tryAgain
    case failed
  }

  /// Maximum addresses taken of one name.
  package static let maximumAddresses = 256

  package enum Family: Sendable {
    case v4, v6
    /// Both families; `noName` is reported only if it holds for both.
    case any
  }

  /// The resolver settings of the calling thread.
  package struct Setup: Equatable, Sendable {
    /// A changed value makes the thread read /etc/resolv.conf again.
    package var generation: UInt32
    /// Seconds for each server and attempt.
    package var timeout: UInt32
    package var attempts: UInt32

    package init(generation: UInt32, timeout: UInt32, attempts: UInt32) {
      self.generation = generation
      self.timeout = timeout
      self.attempts = attempts
    }
  }

  /// Looks up the addresses of a name.
  /// - Parameter name: taken as absolute, without the final dot; no search domain is tried.
  package static func addresses(of name: String, _ family: Family, _ setup: Setup) -> Outcome {
    plat_lookup_prepare(setup.generation, setup.timeout, setup.attempts)
    switch family {
    case .v4: return one(name, ipv6: false)
    case .v6: return one(name, ipv6: true)
    case .any:
      switch (look(name, false), look(name, true)) {
      case (.found(let v4), .found(let v6)): return .found(v4 + v6)
      case (.found(let octets), _), (_, .found(let octets)): return .found(octets)
      case (.noData, _), (_, .noData): return .noData
      case (.tryAgain, _), (_, .tryAgain): return .tryAgain
      case (.failed, _), (_, .failed): return .failed
      case (.noName, .noName): return .noName
      }
    }
  }

  private static func one(_ name: String, ipv6: Bool) -> Outcome {
    let outcome = look(name, ipv6)
    guard outcome == .noName else { return outcome }
    // getaddrinfo reports "no such name" for one family also when /etc/hosts has the name with addresses of the other
    // and DNS does not have it. NXDOMAIN holds for all types of a name (RFC 8020), so it is returned only if both
    // lookups report it.
    switch look(name, !ipv6) {
    case .noName: return .noName
    case .found, .noData: return .noData
    case .tryAgain: return .tryAgain
    case .failed: return .failed
    }
  }

  private static func look(_ name: String, _ ipv6: Bool) -> Outcome {
    let width = ipv6 ? 16 : 4
    var count: UInt32 = 0
    var code: Int32 = 0
    let octets = [UInt8](unsafeUninitializedCapacity: width * maximumAddresses) { buffer, used in
      code = plat_lookup(name, ipv6 ? 1 : 0, buffer.baseAddress, UInt32(maximumAddresses), &count)
      used = width * Int(count)
    }
    switch code {
    case PLAT_LOOKUP_FOUND:
      return .found(
        stride(from: 0, to: octets.count, by: width).map { Array(octets[$0..<$0 + width]) })
    case PLAT_LOOKUP_NO_NAME: return .noName
    case PLAT_LOOKUP_NO_DATA: return .noData
    case PLAT_LOOKUP_AGAIN: return .tryAgain
    default: return .failed
    }
  }
}

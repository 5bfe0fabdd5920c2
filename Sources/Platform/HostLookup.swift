// SPDX-License-Identifier: Apache-2.0
//
// Names as the host resolves them: getaddrinfo, and so /etc/hosts,
// nsswitch.conf, mDNS and whatever a VPN set up. Blocks: for worker threads.

import CPlatform

package enum HostLookup {
  package enum Outcome: Equatable, Sendable {
    /// 4 or 16 octets each, in getaddrinfo's order.
    case found([[UInt8]])
    /// There is no such name.
    case noName
    /// The name exists, but has no such address.
    case noData
    /// No server answered in time.
    case tryAgain
    case failed
  }

  /// Addresses taken of one name at most.
  package static let maximumAddresses = 256

  /// Looks up the addresses of one family.
  /// - Parameters:
  ///   - name: taken as absolute, without the final dot; no search domain is tried.
  ///   - generation: another value than before makes the thread read
  ///     /etc/resolv.conf anew.
  ///   - timeout: seconds for each server and attempt.
  package static func addresses(
    of name: String, ipv6: Bool, generation: UInt32, timeout: UInt32, attempts: UInt32
  ) -> Outcome {
    plat_lookup_prepare(generation, timeout, attempts)
    let outcome = look(name, ipv6)
    guard outcome == .noName else { return outcome }
    // getaddrinfo says "no such name" of one family, too, when /etc/hosts has
    // the name with addresses of the other and DNS does not know it. To a DNS
    // client NXDOMAIN is about all types at once (RFC 8020), so it is said only
    // when it holds for both.
    switch look(name, !ipv6) {
    case .noName: return .noName
    case .found, .noData: return .noData
    case .tryAgain: return .tryAgain
    case .failed: return .failed
    }
  }

  /// Sends a DNS query to the servers of the host's resolver (res_nsend) and waits.
  /// - Parameters:
  ///   - message: the query, with an id that nobody can guess.
  ///   - others: as in `addresses`.
  /// - Returns: the answer with the query's id and question, or nil when no server gave one.
  package static func query(
    _ message: [UInt8], generation: UInt32, timeout: UInt32, attempts: UInt32
  ) -> [UInt8]? {
    plat_lookup_prepare(generation, timeout, attempts)
    let capacity = 65535
    var code: Int32 = 0
    let answer = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, used in
      var count: UInt32 = 0
      code = plat_query(
        message, UInt32(message.count), buffer.baseAddress, UInt32(capacity), &count)
      used = Int(count)
    }
    // Of its own size: this one has room for the largest.
    return code == PLAT_LOOKUP_FOUND ? Array(answer[...]) : nil
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

// SPDX-License-Identifier: Apache-2.0
//
// The fuzz targets of what handles a guest's and a plugin's bytes. Each takes any bytes,
// and traps if a property does not hold.

/// One entry point of a fuzzer, with inputs to begin from.
public struct FuzzTarget: Sendable {
  public let name: String
  /// Small inputs of one purpose each.
  public let seeds: [[UInt8]]
  /// Octets of the longest input that tells something new.
  public let longest: Int
  public let run: @Sendable ([UInt8]) -> Void

  public init(
    _ name: String, seeds: [[UInt8]], longest: Int = 4096,
    run: @escaping @Sendable ([UInt8]) -> Void
  ) {
    self.name = name
    self.seeds = seeds
    self.longest = longest
    self.run = run
  }
}

extension FuzzTarget {
  /// Those that need no part of the supervisor.
  public static let all = [
    headers, tcpOptions, fragments, dhcp, dns, addresses, stream, segments, frames, json, options,
    hostMessages, hostFiles, hostFilter, ndp, dhcpV6,
  ]

  /// The target called `name`; nil if there is none.
  public static func named(_ name: String, in targets: [FuzzTarget] = all) -> FuzzTarget? {
    targets.first { $0.name == name }
  }
}

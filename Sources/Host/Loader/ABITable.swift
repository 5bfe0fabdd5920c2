// SPDX-License-Identifier: Apache-2.0
//
// Reading the size-prefixed tables of the plugin ABI. A table of another
// binary may be shorter (older) or longer (newer) than ours: min(size) bytes
// are copied into a zeroed struct of our own, so that absent members read as
// NULL or 0 and nobody checks sizes. One place, used for every table.

import PluginAPI

/// Bytes the tables had in ABI 1.0. They never change: a smaller table is no
/// table of ABI 1 at all.
package enum ABI10 {
  package static let module = 56
  package static let plugin = 72
  package static let networkOps = 120
  package static let dnsOps = 104
  package static let forward = 32
  package static let lease = 24
  package static let uplink = 32
  package static let dnsQuery = 32
}

/// The same for the tables that came with ABI 1.1.
package enum ABI11 {
  package static let connect = 16
  package static let guests = 32
  package static let guardBinding = 24
  package static let tap = 32
}

package enum ABITable {
  /// A `size` beyond this is taken for garbage.
  package static let maximumSize = 65536

  package enum Failure: Error, Equatable {
    case missing
    /// What the table claims to be.
    case size(UInt32)
  }

  /// Copies a table of the other side.
  /// - Parameter minimum: its size in ABI 1.0.
  package static func copy<Table: BitwiseCopyable>(
    _ source: UnsafeRawPointer?, into zeroed: Table, minimum: Int
  ) throws(Failure) -> Table {
    guard let source else { throw .missing }
    let size = source.loadUnaligned(as: UInt32.self)
    guard size >= minimum, size <= maximumSize else { throw .size(size) }
    var table = zeroed
    withUnsafeMutableBytes(of: &table) { bytes in
      let count = min(Int(size), bytes.count)
      bytes.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
    }
    return table
  }
}

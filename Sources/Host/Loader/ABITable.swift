// SPDX-License-Identifier: Apache-2.0
//
// Reads the size-prefixed tables of the plugin ABI. Another binary's table may be shorter (older) or longer (newer)
// than ours: min(size) bytes are copied into a zeroed struct, so that absent members read as NULL or 0 and no other
// code checks sizes. Used for every table.

import Platform
import PluginAPI

/// Bytes of the tables in ABI 1.0. They never change: a smaller table is not one of ABI 1.
package enum ABI10 {
  package static let module = 64
  package static let plugin = 72
  package static let networkOps = 176
  package static let dnsOps = 152
  package static let forward = 32
  package static let lease = 32
  package static let connect = 16
  package static let guests = 40
  package static let uplink = 32
  package static let guardBinding = 40
  package static let tap = 32
  package static let dnsQuery = 104
}

/// Bits of a `flags` word that must be known, or the table is refused.
package let mustUnderstand: UInt32 = 0xffff_0000

package enum ABITable {
  /// A larger `size` is treated as invalid.
  package static let maximumSize = 65536

  package enum Failure: Error, Equatable {
    case missing
    /// The table's invalid size.
    case size(UInt32)
    /// Unknown flags that must be understood.
    case flags(UInt32)
  }

  /// Copies a table of the plugin, whose second word is its flags.
  /// - Parameters:
  ///   - minimum: its size in ABI 1.0.
  ///   - flags: the known ones; nil: the second word is something else.
  package static func copy<Table: BitwiseCopyable>(
    _ source: UnsafeRawPointer?, into zeroed: Table, minimum: Int, flags known: UInt32? = 0
  ) throws(Failure) -> Table {
    guard let source else { throw .missing }
    let size = source.loadUnaligned(as: UInt32.self)
    guard size >= minimum, size <= maximumSize else { throw .size(size) }
    if let known {
      let unknown = source.loadUnaligned(fromByteOffset: 4, as: UInt32.self) & ~known
      guard unknown & mustUnderstand == 0 else { throw .flags(unknown & mustUnderstand) }
    }
    var table = zeroed
    withUnsafeMutableBytes(of: &table) { bytes in
      let count = min(Int(size), bytes.count)
      bytes.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
    }
    return table
  }

  /// A table of functions that is never freed, with zeroes behind it (LND_TABLE_TAIL): a plugin built for a later
  /// minor version reads NULL there.
  package static func forever<Table: BitwiseCopyable>(_ table: Table) -> UnsafeMutablePointer<Table>
  {
    let size = MemoryLayout<Table>.size
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: size + Int(LND_TABLE_TAIL), alignment: MemoryLayout<Table>.alignment)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: size + Int(LND_TABLE_TAIL))
    return memory.initializeMemory(as: Table.self, to: table)
  }
}

extension ABITable.Failure {
  /// For "the table ...".
  package var text: String {
    switch self {
    case .missing: "is missing"
    case .size(let size): "has \(Plural.text(Int(size), "byte")); that is no ABI 1"
    case .flags(let flags):
      "has flags that this host must know and does not: 0x\(String(flags, radix: 16))"
    }
  }

  /// As the status that a host function returns.
  package var status: lnd_status {
    if case .flags = self { LND_ERR_UNSUPPORTED } else { LND_ERR_MISUSE }
  }
}

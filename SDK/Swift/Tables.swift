// SPDX-License-Identifier: Apache-2.0
//
// Reads and creates tables of the ABI. Every table begins with its size in the writer's version: `read` copies min(size)
// bytes into a zeroed table, so that absent members are NULL and no size is checked afterwards.
//
// STATIC tables and texts are allocated once and never freed: the host may read them until the process ends.

import PluginAPI

enum Tables {
  /// Maximum size of a table: far larger than any of this ABI; a larger value is invalid.
  static let largestSize = 65536

  /// The table at `address`; members unknown to its writer are zero.
  static func read<Table: BitwiseCopyable>(
    _ address: UnsafeRawPointer, as: Table.Type
  ) -> Table? {
    let size = Int(address.loadUnaligned(as: UInt32.self))
    guard size >= 8, size <= largestSize else { return nil }
    return withUnsafeTemporaryAllocation(of: Table.self, capacity: 1) { space in
      let raw = UnsafeMutableRawBufferPointer(space)
      raw.initializeMemory(as: UInt8.self, repeating: 0)
      raw.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(size, raw.count)))
      return space.first
    }
  }

  /// A copy of the host's table that lives as long as the instance. nil if the host lacks a function of version 1.0.
  static func copyHost(_ host: UnsafePointer<lnd_host>?) -> UnsafePointer<lnd_host>? {
    guard let host, let table = read(host, as: lnd_host.self) else { return nil }
    guard table.log != nil, table.wake != nil, table.now_ns != nil, table.fd_add != nil,
      table.fd_modify != nil, table.fd_remove != nil, table.timer_at != nil,
      table.timer_cancel != nil, table.fail != nil, table.op_done != nil,
      table.write != nil, table.get_extension != nil, table.report != nil
    else { return nil }
    let copy = UnsafeMutablePointer<lnd_host>.allocate(capacity: 1)
    copy.initialize(to: table)
    return UnsafePointer(copy)
  }

  /// A copy of `value` that is never freed.
  static func immortal<Value>(_ value: Value) -> UnsafePointer<Value> {
    let place = UnsafeMutablePointer<Value>.allocate(capacity: 1)
    place.initialize(to: value)
    return UnsafePointer(place)
  }

  /// A copy of `values` that is never freed.
  static func immortal<Value>(array values: [Value]) -> UnsafePointer<Value> {
    let place = UnsafeMutablePointer<Value>.allocate(capacity: max(values.count, 1))
    place.initialize(from: values, count: values.count)
    return UnsafePointer(place)
  }

  /// NUL-terminated text that is never freed.
  static func immortal(text: String) -> UnsafePointer<CChar> {
    immortal(array: Array(text.utf8CString))
  }
}

/// A C string in Swift; "" for NULL, invalid UTF-8 replaced.
func text(_ pointer: UnsafePointer<CChar>?) -> String {
  guard let pointer else { return "" }
  return String(cString: pointer)
}

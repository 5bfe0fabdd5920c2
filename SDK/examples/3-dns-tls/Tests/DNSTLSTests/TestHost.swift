// SPDX-License-Identifier: Apache-2.0
//
// The host of a test: the functions of lnd_host that this plugin calls, on the test's thread.

import Foundation
import LimaNetdSDK
import PluginAPI
import Synchronization

final class TestHost {
  private let table = UnsafeMutablePointer<lnd_host>.allocate(capacity: 1)
  /// [any]
  private let wakes = Mutex(0)
  private(set) var results: [lnd_op: (status: lnd_status, bytes: [UInt8])] = [:]
  private(set) var written = ""
  private(set) var failure = ""

  init() {
    table.initialize(to: lnd_host())
    table.pointee.size = UInt32(MemoryLayout<lnd_host>.size)
    table.pointee.ctx = Unmanaged.passUnretained(self).toOpaque()
    table.pointee.log = { _, _, _, _ in }
    table.pointee.wake = { TestHost.of($0).wakes.withLock { $0 += 1 } }
    table.pointee.now_ns = { _ in DispatchTime.now().uptimeNanoseconds }
    table.pointee.fail = { ctx, code, pointer, text, length in
      TestHost.of(ctx).failure =
        (pointer.map { String(cString: $0) } ?? "") + ": "
        + String(decoding: UnsafeRawBufferPointer(start: text, count: Int(length)), as: UTF8.self)
      return code
    }
    table.pointee.op_done = { ctx, op, status, bytes, length in
      TestHost.of(ctx).results[op] = (
        status, Array(UnsafeBufferPointer(start: bytes, count: Int(length)))
      )
      return LND_OK
    }
    table.pointee.write = { ctx, _, bytes, length in
      TestHost.of(ctx).written += String(
        decoding: UnsafeBufferPointer(start: bytes, count: Int(length)), as: UTF8.self)
      return LND_OK
    }
    table.pointee.report = { _, _, _, _ in }
  }

  deinit { table.deallocate() }

  private static func of(_ context: UnsafeMutableRawPointer?) -> TestHost {
    // A NULL context is an error in the test.
    guard let context else { fatalError("a call without the table's ctx") }
    return Unmanaged<TestHost>.fromOpaque(context).takeUnretainedValue()
  }

  var context: HostContext { HostContext(table: UnsafePointer(table)) }

  /// Does the loop's work until `condition` holds; false after `seconds`.
  func run(_ plugin: DNSPlugin, seconds: Double = 10, until condition: () -> Bool) -> Bool {
    let deadline = Date().addingTimeInterval(seconds)
    while !condition() {
      guard Date() < deadline else { return false }
      let woken = wakes.withLock { count in
        defer { count = 0 }
        return count > 0
      }
      if woken { plugin.onWake() } else { usleep(1000) }
    }
    return true
  }
}

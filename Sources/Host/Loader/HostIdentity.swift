// SPDX-License-Identifier: Apache-2.0
//
// The host's identity as reported to plugins.

import PluginAPI

package enum HostIdentity {
  package static let version = "0.1.0"

  /// Never freed: plugins may call its functions until the process ends. Immutable once made, hence safe to share.
  package nonisolated(unsafe) static let info: UnsafePointer<lnd_host_info> = {
    let info = UnsafeMutablePointer<lnd_host_info>.allocate(capacity: 1)
    info.initialize(
      to: lnd_host_info(
        size: UInt32(MemoryLayout<lnd_host_info>.stride), abi_minor: UInt32(LND_ABI_MINOR),
        name: staticText("lima-netd"), version: staticText(version)))
    return UnsafePointer(info)
  }()

  /// A C string that is never freed.
  package static func staticText(_ text: String) -> UnsafePointer<CChar> {
    let bytes = text.utf8CString
    let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    for (index, byte) in bytes.enumerated() { copy[index] = byte }
    return UnsafePointer(copy)
  }
}

// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Resident memory of a process, KiB: what it has (`VmRSS`) or the most it had (`VmHWM`; proc(5)). -1 when
/// it is gone.
func residentKiB(_ key: String = "VmRSS", of process: Int32) -> Int {
  let status = (try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix(key + ":") }
  return line.flatMap { Int($0.filter(\.isNumber)) } ?? -1
}

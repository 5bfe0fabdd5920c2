// SPDX-License-Identifier: Apache-2.0
//
// InstanceIdentity: what follows from an instance's name and place alone: its hostname, its MAC addresses. Pure.

import Platform

package struct InstanceIdentity: Sendable, Hashable {
  package var name: String
  /// Absolute, without symbolic links: MAC addresses follow from it.
  package var directory: String

  package init(name: String, directory: String) {
    self.name = name
    self.directory = directory
  }

  /// `lima-` and the name, in which dots and underscores become hyphens.
  package var hostname: String {
    "lima-" + String(name.map { $0 == "." || $0 == "_" ? "-" : $0 })
  }

  /// Of eth0.
  package func primaryMAC(machineID: String) -> String {
    Self.mac(machineID: machineID, unique: directory)
  }

  /// Of the item `index` of `networks`.
  package func mac(ofNetwork index: Int, machineID: String) -> String {
    Self.mac(machineID: machineID, unique: "\(directory)/lima.yaml#\(index)")
  }

  /// 52:55:55 and the first three bytes of the hash of both texts.
  static func mac(machineID: String, unique: String) -> String {
    let digest = SHA256.of(Array((machineID + unique).utf8))
    let digits = Array(digest.prefix(6))
    let tail = [0, 2, 4].map { String(digits[$0..<$0 + 2]) }
    return (["52", "55", "55"] + tail).joined(separator: ":")
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// PluginPermissions: may root load this file? Not when anybody else owns it or could put another in its place.

import Platform

package enum PluginPermissions {
  /// Why root must not load `path`, with the command that mends it; nil when it may, or when nothing is there. The path is
  /// absolute. Blocks on the disk.
  package static func refusal(_ path: String, trust: PathTrust = PathTrust()) -> String? {
    guard let flaw = trust.flaw(of: path), !flaw.isMissing else { return nil }
    return "root loads no plugin that somebody else can exchange: \(flaw.advice)"
  }
}

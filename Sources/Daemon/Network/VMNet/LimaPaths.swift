// SPDX-License-Identifier: Apache-2.0
//
// LimaPaths: `paths` and `group` of networks.yaml: where Lima and lima-netd have what runs as root. Values.

package struct LimaPaths: Sendable, Hashable {
  package var socketVMNet = "/opt/socket_vmnet/bin/socket_vmnet"
  package var varRun = "/private/var/run/lima"
  package var sudoers = ""
  /// Empty: nobody's in particular.
  package var group = ""

  package init() {}
}

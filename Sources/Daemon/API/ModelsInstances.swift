// SPDX-License-Identifier: Apache-2.0
//
// Lima's instances: /v1/instances.

/// POST /v1/instances
package struct InstanceRequest: Codable, Sendable {
  /// Absolute path of a lima.yaml, a template, or an instance's directory.
  package var path: String
  /// Replaces the name derived from the path.
  package var name: String?

  package init(path: String, name: String? = nil) {
    self.path = path
    self.name = name
  }
}

/// GET /v1/instances returns an array of these; POST /v1/instances and GET /v1/instances/NAME one.
package struct InstanceReport: Codable, Sendable {
  package var name: String
  package var directory: String
  /// The file that was read.
  package var file: String
  package var vmType: String
  package var arch: String
  /// The guest's host name.
  package var hostname: String
  /// The address of eth0; nil until the guest has a lease.
  package var address: String?
  /// The port on 127.0.0.1 that is forwarded to the guest's port 22.
  package var sshLocalPort: Int
  /// The first is eth0.
  package var interfaces: [InterfaceReport]
  /// Nameservers for the guest's resolver; empty: those of DHCP.
  package var nameservers: [String]
  package var forwards: [InstanceForward]
  /// Names that the guest's network answers, with their addresses or the one name each is an alias of.
  package var names: [String: [String]]
  package var warnings: [String]
  package var since: String
  /// Why an instance that was up when the daemon ended cannot be brought up again; it is retried when the cause is removed.
  /// Its `vmType`, `arch` and `hostname` are "" then.
  package var error: String?
}

package struct InterfaceReport: Codable, Sendable, Hashable {
  /// "net0", for a driver's -netdev and -device.
  package var id: String
  /// The interface's name in the guest.
  package var name: String
  package var mac: String
  package var metric: UInt32
  package var network: String?
  package var mode: String?
  /// SOCK_STREAM, QEMU framing; nil for Apple's NAT.
  package var qemu: String?
  /// SOCK_STREAM, receives a datagram socket by SCM_RIGHTS.
  package var fd: String?
  /// SOCK_DGRAM (vfkit, krunkit).
  package var unixgram: String?
  package var vzNAT: Bool
}

/// A forward of an instance, with its state in the network.
package struct InstanceForward: Codable, Sendable, Hashable {
  /// "tcp", "udp" or "unix".
  package var `protocol`: String
  package var host: String
  /// "192.168.104.1:22"; nil until the guest has an address.
  package var guest: String?
  package var state: ForwardState
  /// As in `Forward`.
  package var reason: String?
  package var error: String?
}

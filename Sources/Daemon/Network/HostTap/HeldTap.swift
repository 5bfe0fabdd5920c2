// SPDX-License-Identifier: Apache-2.0
//
// HeldTap: a network's TAP, held by the supervisor as long as the network is wanted, so that it
// outlives a process that dies. With its last descriptor an ephemeral one is gone.

import HostProtocol
import Platform

package final class HeldTap {
  let fd: Int32
  private(set) var spec: TapSpec
  let request: HostTapRequest
  /// Of Open vSwitch, as long as this is held; one that was set up stays, and is none.
  var port: OVSPort?
  /// Of Open vSwitch, whom the kernel's bridges and their firewall do not concern.
  var isOnSwitch = false
  /// The IPv6 address that it was made with. A TAP of an earlier version's, or of a host without IPv6, has none.
  let address6: String?
  /// A macvtap for one guest, and not a TAP for all.
  let isCard: Bool

  /// Takes over `fd`.
  init(
    fd: Int32, spec: TapSpec, request: HostTapRequest, isCard: Bool = false, address6: String? = nil
  ) {
    self.address6 = address6
    self.isCard = isCard
    self.fd = fd
    self.spec = spec
    self.request = request
  }

  deinit { Descriptor.close(fd) }

  /// It is a port of Open vSwitch now.
  /// - Parameter takesOffloads: whoever forwards its frames takes super-frames and unfinished checksums.
  func joined(_ port: OVSPort?, takesOffloads: Bool) {
    self.port = port
    isOnSwitch = true
    spec.takesOffloads = takesOffloads
  }

  #if os(Linux)
    /// - Throws: when the device is gone or no TAP.
    convenience init(_ tap: Tap, mtu: Int, request: HostTapRequest) throws(SystemError) {
      let mac: String
      do throws(SystemError) {
        mac = try tap.macAddress()
      } catch {
        Descriptor.close(tap.fd)
        throw error
      }
      self.init(
        fd: tap.fd,
        spec: TapSpec(name: tap.name, mac: mac, mtu: mtu, vnetHeader: tap.vnetHeader),
        request: request, isCard: Tap.isMacvtap(tap.fd),
        address6: Self.addresses6(of: tap.name).first { $0 == request.address6 })
    }

    /// The IPv6 addresses of an interface beyond its link, as "fd12:3456:789a::1/64".
    package static func addresses6(of interface: String) -> [String] {
      ((try? HostInterfaces.addresses6()) ?? []).filter {
        $0.interface == interface && !$0.isLinkLocal
      }.compactMap { IPv6Network($0)?.description }
    }
  #endif

  /// The interface is still there.
  var isAlive: Bool {
    #if os(Linux)
      Tap.isAttached(fd)
    #else
      false
    #endif
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// NamespacedCommand: the guest of `exec`: new namespaces of this process, with one interface.

import Daemon
import Platform

#if os(Linux)

  import LibC

  struct NamespacedCommand: CommandGuest {
    private let interface: GuestInterface
    private let mtu: Int?
    /// DNS servers that replace the lease's.
    private let dns: [String]
    let request: AttachRequest

    /// Moves this process into the namespaces.
    init(_ options: Exec) throws {
      dns = options.lease.dns
      mtu = options.guest.mtu
      try GuestNamespace.enter()
      interface = try GuestInterface(name: "eth0", mac: options.guest.mac)
      request = AttachRequest(
        network: options.network, name: options.guest.name ?? "exec-\(getpid())",
        nameIsMade: options.guest.name == nil, mac: interface.mac, mtu: options.guest.mtu ?? 0,
        vnetHeader: interface.tap.vnetHeader, forwards: try options.lease.forwards())
    }

    var tap: Int32 { interface.tap.fd }
    var passing: (fd: Int32, as: Int32)? { nil }
    /// It cannot work without its network, and may ignore other signals.
    var endSignal: Int32 { SIGKILL }

    func configure(_ lease: LeaseOffer?, before: LeaseOffer?) throws {
      guard let lease else { throw CommandFailure("The daemon gave the guest no address") }
      try interface.configure(lease, before: before, mtu: mtu)
      guard let before, dns.isEmpty,
        lease.servers != before.servers || lease.search != before.search
      else { return }
      try ResolverFile.replace(
        ResolverFile.text(lease.servers, search: lease.search, network: request.network))
    }

    /// Errors are ignored: a command may work without names, and a sandbox may forbid the mount.
    func prepare(_ lease: LeaseOffer?) {
      guard let lease else { return }
      let servers = dns.isEmpty ? lease.servers : dns
      guard !servers.isEmpty else { return }
      do {
        try ResolverFile.install(
          ResolverFile.text(servers, search: lease.search, network: request.network))
      } catch {
        StandardError.print(
          "lima-netd: names resolve as on the host: \(ResolverFile.path) was not replaced: \(error)"
        )
      }
    }

    func begun() {}

    func finish(_ link: inout GuestLink, _ signals: ForegroundSignals, isHurried: Bool) {
      LastBytes(interface: interface, signals: signals).wait(
        limits: isHurried ? .interrupted : UnsentBytes.Limits()
      ) { link.isAlive() }
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0
//
// NamespaceGuest: runs `attach`: enters the namespace, creates the TAP, passes it to the daemon, configures it, and waits.
// If the daemon ends the TAP stays, and the next daemon takes it over.

import ArgumentParser
import Daemon
import Platform

#if os(Linux)

  import LibC

  struct NamespaceGuest {
    private let options: Attach
    private let place: NamespacePlace
    private let home: LimaHome

    init(_ options: Attach) throws {
      self.options = options
      home = try options.home.resolveServed()
      place = try options.place()
    }

    func run() throws {
      let daemon = try GuestDaemon.serving(home)
      let servers = options.lease.dns
      let signals = try ForegroundSignals(GuestCommand.signals)
      // Before the namespaces change, since the file's path is the host's.
      let resolver = NamespaceResolver(place)
      let gone = try place.enter()
      let identity = Namespaces.identity(of: place.path)
      let interface = try GuestInterface(name: options.tap, mac: options.guest.mac)
      let request = AttachRequest(
        network: options.network, name: options.guest.name ?? place.name,
        nameIsMade: options.guest.name == nil, mac: interface.mac, mtu: options.guest.mtu ?? 0,
        vnetHeader: interface.tap.vnetHeader, needsLease: !options.noConfiguration,
        forwards: try options.lease.forwards())
      let link = try GuestLink(daemon, request, tap: interface.tap.fd) { lease, before in
        if let lease, !options.noConfiguration {
          try interface.configure(lease, before: before, mtu: options.guest.mtu)
        } else {
          try interface.bringUp(mtu: options.guest.mtu)
        }
      }
      try announce(link.attachment, servers, resolver)
      StandardStreams.letGoOfPipes()
      if DetachedAttach.isHere {
        Foreground.leaveSession()
        StandardStreams.letGo()
        DetachedAttach.tellReady()
      }
      try stay(link, signals, gone, identity, interface)
    }

    private func announce(
      _ attachment: Attachment?, _ servers: [String], _ resolver: NamespaceResolver
    ) throws {
      defer { ready() }
      let lease = attachment?.offer
      if options.listing.json {
        return try options.listing.show(
          AttachReport(
            network: options.network, interface: options.tap, guest: attachment?.guest,
            isConfigured: !options.noConfiguration, lease,
            servers: servers.isEmpty ? lease?.servers ?? [] : servers,
            note: options.noConfiguration
              ? nil
              : lease.flatMap {
                resolver.note(servers.isEmpty ? $0.servers : servers, search: $0.search)
              }))
      }
      guard let lease else {
        return StandardOutput.print(
          "\(options.tap) is on network \(options.network), which gives no addresses itself")
      }
      let address = "\(lease.address)/\(lease.prefixLength)"
      let gateway =
        (lease.gateway.map { " via \($0)" } ?? "")
        + (lease.ipv6.map { ", \($0.address)/\($0.prefixLength)" } ?? "")
      let dns = lease.servers.isEmpty ? "" : ", DNS " + lease.servers.joined(separator: " ")
      guard !options.noConfiguration else {
        return StandardOutput.print(
          "\(options.tap) is on network \(options.network), which offers \(address)\(gateway)\(dns)"
        )
      }
      StandardOutput.print("\(options.tap) has \(address)\(gateway)\(dns)")
      if let note = resolver.note(servers.isEmpty ? lease.servers : servers, search: lease.search) {
        StandardOutput.print(note)
      }
    }

    private func ready() {
      guard let fd = options.readyDescriptor else { return }
      if write(fd, "1", 1) != 1 {
        StandardError.print("lima-netd: --ready-fd \(fd): \(Errno.current)")
      }
      Descriptor.close(fd)
    }

    private func stay(
      _ link: GuestLink, _ signals: ForegroundSignals, _ gone: Int32,
      _ identity: Namespaces.Identity?, _ interface: GuestInterface
    ) throws {
      var link = link
      let last = LastBytes(interface: interface, signals: signals)
      while true {
        // A namespace's file has no event for its end: it is checked once a second.
        let ready = link.wait(
          for: [signals.fd, gone], milliseconds: place.process == nil ? 1000 : -1)
        // It has been told, and the interface would lead nowhere.
        if link.isSentAway { throw ExitCode(1) }
        // Who lives on in the namespace loses the interface all the same: what counts is what others left.
        if ready[0] {
          return last.wait(orphansOnly: true, limits: .interrupted) { link.isAlive() }
        }
        if ready[1] { return last.wait { link.isAlive() } }
        if place.process == nil, Namespaces.identity(of: place.path) != identity {
          return last.wait { link.isAlive() }
        }
      }
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0
//
// Files that plugins read and others write: resolv.conf(5), hosts(5) and nsswitch.conf(5) of the
// host, leases of the last run and of Lima's own daemon.

import DNSMessage
import HostDNSCore
import NetStack
import Gateway
import Wire

extension FuzzTarget {
  static let hostFiles = FuzzTarget(
    "host-files",
    seeds: [
      "nameserver 192.0.2.1\nnameserver fe80::1%lo\n# comment\noptions edns0\nsearch a b\n",
      "127.0.0.1 localhost a.example # comment\n::1 localhost ip6-localhost\nfe80::1%lo x\n",
      "hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname # comment\n",
      "hosts: files [!UNAVAIL=return SUCCESS=continue] dns\n",
      #"{"192.168.104.2":"5a:94:ef:e4:0c:dd","192.168.104.7":"52:55:55:00:00:07"}"#,
      #"{"version":1,"leases":[{"address":"192.168.104.7","mac":"52:55:55:00:00:07","#
        + #""hostname":"a","state":"bound","expires":1700000000}]}"#,
    ].map { Array($0.utf8) }
  ) { bytes in
    let resolvConf = ResolvConf(parsing: bytes)
    expectFuzz(
      resolvConf.servers.count <= ResolvConf.maximumServers, "no more servers than the C library")
    let name = DNSName("a.example")
    let hosts = HostsFile(parsing: bytes)
    let order = HostsOrder(parsing: bytes)
    if let name { _ = order.route(name, isInFile: hosts.find(name) != .missing) }

    let text = String(decoding: bytes, as: UTF8.self)
    let clocks = LeaseFile.Clocks(monotonic: 1_000_000_000_000, unix: 1_700_000_000)
    if let leases = LeaseFile.read(text, clocks) {
      let written = LeaseFile.text(leases, clocks)
      guard let again = LeaseFile.read(written, clocks) else {
        return expectFuzz(false, "read back: \(written)")
      }
      expectFuzz(LeaseFile.text(again, clocks) == written, "written twice: \(written)")
    }
    if let router = IPAddress("192.168.104.2") {
      for lease in LeaseFile.readLima(text, router: router, now: 0) ?? [] {
        expectFuzz(lease.address != router, "the router's address is nobody's")
      }
    }
  }
}

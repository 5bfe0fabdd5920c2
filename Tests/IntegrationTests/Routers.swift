// SPDX-License-Identifier: Apache-2.0
//
// A small internet of the test's own: the daemon's machine, two routers and a server, each a network
// namespace, joined by wires. The last wire is narrow.
//
//   10.1.0.1 ── 10.1.0.2  10.2.0.1 ── 10.2.0.2  10.3.0.1 ──(MTU 1280)── 10.3.0.2
//   machine          router                router                        server
//
// The same in IPv6: fd10:1::1, fd10:1::2, and so on.

import Foundation

final class Routers {
  static let server = "10.3.0.2"
  static let server6 = "fd10:3::2"
  private let holder: RunningCommand

  init() throws {
    let setup =
      """
      set -e
      other() { unshare -n sleep 600 & until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done; }
      other; one=$!; other; two=$!; other; server=$!
      trap 'kill $one $two $server' EXIT TERM
      in_one="nsenter -t $one -n"; in_two="nsenter -t $two -n"; in_server="nsenter -t $server -n"
      ip link add h0 type veth peer name a0 netns $one
      $in_one ip link add b0 type veth peer name a0 netns $two
      $in_two ip link add b0 type veth peer name s0 netns $server
      ip link set lo up; ip link set h0 up; ip addr add 10.1.0.1/24 dev h0
      ip route add default via 10.1.0.2
      $in_one ip addr add 10.1.0.2/24 dev a0; $in_one ip addr add 10.2.0.1/24 dev b0
      $in_two ip addr add 10.2.0.2/24 dev a0; $in_two ip addr add 10.3.0.1/24 dev b0
      $in_server ip addr add \(Self.server)/24 dev s0
      $in_one ip link set a0 up; $in_one ip link set b0 up
      $in_two ip link set a0 up; $in_two ip link set b0 mtu 1280 up
      $in_server ip link set s0 mtu 1280 up; $in_server ip link set lo up
      $in_one ip route add 10.3.0.0/24 via 10.2.0.2; $in_two ip route add 10.1.0.0/24 via 10.2.0.1
      $in_server ip route add default via 10.3.0.1
      for router in "$in_one" "$in_two"; do $router sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'; done
      ip addr add fd10:1::1/64 dev h0 nodad; ip -6 route add default via fd10:1::2
      $in_one ip addr add fd10:1::2/64 dev a0 nodad; $in_one ip addr add fd10:2::1/64 dev b0 nodad
      $in_two ip addr add fd10:2::2/64 dev a0 nodad; $in_two ip addr add fd10:3::1/64 dev b0 nodad
      $in_server ip addr add \(Self.server6)/64 dev s0 nodad; $in_server ip -6 route add default via fd10:3::1
      $in_one ip -6 route add fd10:3::/64 via fd10:2::2; $in_two ip -6 route add fd10:1::/64 via fd10:2::1
      for router in "$in_one" "$in_two"; do
        $router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
      done
      $in_server sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_ratelimit; echo 0 >/proc/sys/net/ipv6/icmp/ratelimit'
      echo '0 2147483647' >/proc/sys/net/ipv4/ping_group_range || true
      echo "server $server up"
      sleep 600 & wait $!
      """
    holder = try RunningCommand(
      "unshare", (getuid() == 0 ? ["-n"] : ["-Urn"]) + ["sh", "-c", setup])
    let holder = self.holder
    guard eventually({ holder.output.contains("up") }) else {
      holder.stop()
      throw TestFailure("no routers: \(holder.errors)")
    }
  }

  /// What goes before a command that is to run on the daemon's machine.
  var wrapper: [String] { wrapper(of: "\(holder.process.processIdentifier)") }

  /// What goes before a command that is to run on the server.
  var serverWrapper: [String] {
    wrapper(of: holder.output.split(separator: " ").dropFirst().first.map(String.init) ?? "")
  }

  private func wrapper(of process: String) -> [String] {
    let target = ["nsenter", "-t", process, "-n"]
    return getuid() == 0 ? target : target + ["-U", "--preserve-credentials"]
  }

  func remove() { holder.stop() }
}

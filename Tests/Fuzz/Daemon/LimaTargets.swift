// SPDX-License-Identifier: Apache-2.0
//
// Fuzz targets of what the supervisor reads for Lima: lima.yaml, and requests of gvproxy's clients.

import Daemon
import FuzzTargets

extension FuzzTarget {
  private static let context = InstanceContext(
    home: LimaHome(path: "/home/user/.lima"),
    networks: (try? ConfigDecoder.decode(
      Array("networks:\n  second: {mode: user-v2, gateway: 192.168.120.1}\n".utf8),
      file: "networks.yaml", homeDirectory: "/home/user"))?.networks ?? [],
    machineID: "0123456789abcdef0123456789abcdef", limaVersion: "2.1.0",
    user: (home: "/home/user", name: "user", id: 1000, temporary: "/tmp"))

  /// Three files, of which Lima makes one, with zero bytes between.
  static let limaYAML = FuzzTarget(
    "lima-yaml",
    seeds: texts([
      "networks:\n- lima: second\n  macAddress: 52:55:55:12:34:56\n  interface: lima0\n  metric: 100\n",
      "networks: [{vzNAT: true}, {socket: /x}]\nvmType: vz\narch: aarch64\n",
      "hostResolver: {enabled: false, ipv6: true, hosts: {a.example: 192.0.2.1, b: a.example}}\n",
      "dns: [192.0.2.1, \"2001:db8::1\"]\nhostResolver: {enabled: false}\nssh: {localPort: 60022}\n",
      "portForwards:\n- guestPortRange: [1, 10]\n  hostPortRange: [8001, 8010]\n  static: true\n",
      "portForwards:\n- guestSocket: \"/run/{{.User}}.sock\"\n  hostSocket: \"{{.Dir}}/x.sock\"\n",
      "portForwards:\n- {guestIP: \"::\", guestIPMustBeZero: true, guestPort: 22, ignore: true}\n",
      "plain: true\n\u{0}param: {a: b}\nportForwards: [{guestPort: 80, proto: udp}]\n\u{0}arch: null\n",
    ])
  ) { bytes in
    do {
      var layers: [LimaYAML] = []
      for part in bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false) {
        layers.append(try LimaYAMLDecoder.decode(Array(part), file: "lima.yaml"))
      }
      layers += Array(repeating: LimaYAML(), count: 3 - layers.count)
      let plan = try InstancePlan(
        LimaYAML.merged(default: layers[0], instance: layers[1], override: layers[2]),
        identity: InstanceIdentity(name: "vm", directory: "/home/user/.lima/vm"),
        context: context)
      check(plan)
    } catch {
      expectFuzz(!"\(error)".isEmpty, "an error says something")
    }
  }

  private static func check(_ plan: InstancePlan) {
    expectFuzz(!plan.interfaces.isEmpty, "every instance has a network")
    let names = plan.interfaces.map(\.name)
    expectFuzz(Set(names).count == names.count, "each interface has a name of its own: \(names)")
    for forward in plan.statics {
      expectFuzz((0...65535).contains(forward.guestPort), "a port: \(forward.guestPort)")
    }
    for port in [0, 1, 22, 80, 65535] {
      for address in ["0.0.0.0", "127.0.0.1", "::"] {
        guard let address = ForwardIP(address) else { continue }
        _ = PortForwardRules(
          instance: plan.rules, sshLocalPort: plan.sshLocalPort, plain: plan.plain
        ).decision(for: GuestListener(address, port, .tcp))
      }
    }
  }

  /// The beginning of a connection to `_ep.sock`; and a body.
  static let endpoint = FuzzTarget(
    "endpoint",
    seeds: texts([
      "POST /tunnel?ip=192.168.104.3&port=22 HTTP/1.1\r\nHost: x\r\n\r\nSSH-2.0-x\r\n",
      "POST /connect HTTP/1.1\r\n\r\n", "GET /leases HTTP/1.1\nHost: x\n\n",
      "get http://x/tunnel?ip=%31&port=+1 HTTP/1.0\n\n", "CONNECT",
      #"{"local":":8080","remote":"192.168.104.3:80","protocol":"tcp"}"#,
      #"{"Local":"/tmp/a.sock","REMOTE":"tcp://192.168.104.3:80","protocol":"unix"}"#,
      #"{"local":"[::1]:1","remote":"[fe80::1%25x]:1","protocol":"udp"}"#,
      #"{"Name":"a.","DefaultIP":"","Records":[{"Name":"b","IP":"1.2.3.4","Regexp":"^(a|b)+$"}]}"#,
    ])
  ) { bytes in
    let head = EndpointHead(bytes)
    for length in Set([0, 1, bytes.count / 2, bytes.count - 1]) where length >= 0 {
      let early = EndpointHead(bytes.prefix(length))
      expectFuzz(early == .incomplete || early == head, "\(early) becomes \(head)")
    }
    switch head {
    case .tunnel(_, let length), .frames(let length):
      expectFuzz(length <= bytes.count, "a head of \(length) octets in \(bytes.count)")
    case .incomplete, .http: break
    }
    if let request = try? ExposeRequest(bytes) {
      _ = try? request.forward()
      _ = try? request.listener()
    }
    if let zone = try? ZoneBody(bytes) {
      expectFuzz((try? ZoneBody(zone.json.bytes)) == zone, "read back: \(zone.json.text)")
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// SystemdUnits: text of lima-netd.service and lima-netd.socket for one user. systemd listens on the sockets of all networks
// from login on, so that clients that connect before the daemon runs, or while it restarts, wait. Pure.

import Daemon

struct SystemdUnits: Hashable {
  let plan: ServicePlan

  var service: String {
    let serve =
      [plan.executable, "serve"] + (plan.isUsualHome ? [] : ["--lima-home", plan.home.path])
    let reload =
      [plan.executable, "reload"] + (plan.isUsualHome ? [] : ["--lima-home", plan.home.path])
    return """
      # Written by lima-netd service install; service uninstall takes it away.
      [Unit]
      Description=Networks for virtual machines (lima-netd)
      Documentation=man:lima-netd(1)
      Requires=lima-netd.socket
      After=lima-netd.socket

      [Service]
      Type=notify
      ExecStart=\(Self.command(serve))
      ExecReload=\(Self.command(reload))
      Restart=on-failure
      RestartSec=1
      # A network's process that dies is started again by the daemon.
      OOMPolicy=continue
      KillMode=mixed
      TimeoutStopSec=15

      [Install]
      WantedBy=default.target

      """
  }

  var socket: String {
    var lines = [
      "# Written by lima-netd service install; service uninstall takes it away.",
      "[Unit]",
      "Description=Sockets of lima-netd's networks",
      "Documentation=man:lima-netd(1)",
      "",
      "[Socket]",
      "ListenStream=\(Self.path(plan.home.controlSocket))",
      "ListenStream=\(Self.path(plan.home.attachSocket))",
    ]
    for network in plan.networks {
      let sockets = plan.home.networkSockets(network)
      lines += [
        "ListenStream=\(Self.path(sockets.qemu))", "ListenStream=\(Self.path(sockets.fd))",
        "ListenDatagram=\(Self.path(sockets.unixgram))",
      ]
    }
    lines += [
      "SocketMode=0600", "DirectoryMode=0700", "RemoveOnStop=yes", "",
      "[Install]", "WantedBy=sockets.target", "",
    ]
    return lines.joined(separator: "\n")
  }

  /// The networks whose sockets are in a text of `socket`, in `home`.
  static func networks(in socket: String, home: LimaHome, of names: [String]) -> Set<String> {
    let lines = Set(socket.split(separator: "\n").map(String.init))
    return Set(
      names.filter { lines.contains("ListenStream=\(path(home.networkSockets($0).qemu))") })
  }

  /// systemd.unit(5): "%" begins a specifier.
  static func path(_ path: String) -> String { path.replacing("%", with: "%%") }

  /// systemd.service(5), "Command lines": quotes, and escapes inside of them.
  static func command(_ words: [String]) -> String {
    words.map { word in
      let isPlain = word.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "/._-+=:,@".utf8.contains(byte)
        }
      }
      if isPlain, !word.isEmpty { return word }
      let escaped = word.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        .replacing("%", with: "%%").replacing("$", with: "$$")
      return "\"\(escaped)\""
    }.joined(separator: " ")
  }
}

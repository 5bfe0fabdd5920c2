// SPDX-License-Identifier: Apache-2.0
//
// dns serve: runs a DNS plugin on the host's loopback, without a daemon and a network.

import LibC
import ArgumentParser
import Daemon
import Platform

struct DNSServe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve a DNS plugin on 127.0.0.1, without a network.",
    discussion: """
      For guests whose network is not lima-netd's own, as QEMU's user networking (see dns guest-rules), and to try a \
      plugin. Needs no daemon. Unless given, the port is one that is free for UDP and TCP alike, and stays bound until the \
      end; it is printed when questions are answered. Ends with SIGTERM or SIGINT; SIGHUP has the plugin read the host's resolver \
      configuration anew.

        lima-netd dns serve
        lima-netd dns serve --port 5300 --host db.internal=10.0.0.5 \\
          --host sql.internal=db.internal
        lima-netd dns serve --plugin hostdns --options '{"timeout": 3}' --no-ipv6
        lima-netd dns serve --plugin ./lima-dns-zone.so --json \\
          --options '{"file": "/srv/lab.zone"}'
        lima-netd dns query db.internal --server 127.0.0.1:5300

      Identical questions share one lookup, answers are kept for as long as they may be, and answers too large for \
      UDP come by TCP, as in a network. LIMA_NETD_LOG=info shows what the process logs. Standard error that is a file takes 8 MiB; what follows is left out \
      until the file is emptied (`2>>FILE`, then `truncate -s 0 FILE`).
      """)

  @Option(
    help: "A DNS plugin's name, or its file (anything with a slash).",
    completion: .dnsPluginsAndFiles)
  var plugin: String?
  @Option(
    name: .customLong("plugin-dir"), parsing: .singleValue,
    help: ArgumentHelp(
      "Directory with plugins, searched before the built-in one; may be given several times.",
      valueName: "dir"), completion: .directory)
  var pluginDirectories: [String] = []
  @Option(help: ArgumentHelp("The plugin's options, one JSON object.", valueName: "json"))
  var options = "{}"
  @Option(help: ArgumentHelp("The port, for UDP and TCP; 0: a free one.", valueName: "port"))
  var port: UInt16?
  @Option(
    help: ArgumentHelp("The port for UDP alone. (default: TCP's, if free)", valueName: "port"))
  var udp: UInt16?
  @Option(
    help: ArgumentHelp("The port for TCP alone. (default: UDP's, if free)", valueName: "port"))
  var tcp: UInt16?
  @Option(
    name: .customLong("host"), parsing: .singleValue,
    help: ArgumentHelp(
      "A name answered without the plugin: NAME=ADDRESS, or NAME=OTHERNAME for an alias; may be given several times.",
      valueName: "name=target"))
  var hosts: [String] = []
  @Flag(inversion: .prefixedNo, help: "Whether names have IPv6 addresses.")
  var ipv6 = true
  @OptionGroup var listing: ListingOptions

  func validate() throws {
    if port != nil, udp != nil, tcp != nil {
      throw ValidationError("--port stands for --udp and --tcp: leave one of the three out.")
    }
  }

  func run() throws {
    let installation = try PluginSearchOptions.installation()
    do {
      let what = try DNSStandalone(
        plugin: plugin, directories: pluginDirectories, options: options, hosts: hosts, ipv6: ipv6,
        workingDirectory: CurrentProcess.workingDirectory, installation: installation)
      let (udp, tcp) = try LoopbackSockets.pair(udp: self.udp ?? port, tcp: self.tcp ?? port)
      let ready = Ready(
        address: "127.0.0.1", udp: try LoopbackSockets.port(of: udp),
        tcp: try LoopbackSockets.port(of: tcp), plugin: what.plugin.plugin.name,
        version: what.plugin.module.version, pid: CurrentProcess.id)
      // The process's informational messages are shown on request only.
      setenv("LIMA_NETD_LOG", "warn", 0)
      try DNSStandaloneServer.run(
        what, udp: udp, tcp: tcp, installation: installation,
        ready: { _ in
          // One line in both forms, so that a program can wait for it without parsing a document.
          StandardOutput.print(listing.json ? (try? JSONText.string(ready)) ?? "{}" : ready.text)
        },
        complain: { StandardError.print("lima-netd: \($0)") })
    } catch let error as SystemError where error.errno == .addressInUse {
      throw CommandFailure(
        "\(error)", remedy: "Give another port, or none: one that is free is taken.")
    } catch let error as SystemError where error.errno == Errno(EACCES) {
      throw CommandFailure(
        "\(error)",
        remedy:
          "Ports below 1024 need privilege (net.ipv4.ip_unprivileged_port_start): give a higher one."
      )
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  /// Printed when questions are answered.
  struct Ready: Encodable {
    let address: String
    let udp: UInt16
    let tcp: UInt16
    let plugin: String
    let version: String
    let pid: Int32

    var text: String {
      """
      \(plugin) \(version) answers on \(address), \(udp == tcp ? "port \(udp)" : "UDP port \(udp) and TCP port \(tcp)").
        lima-netd dns query example.com --server \(address):\(udp)
        lima-netd dns guest-rules \(udp == tcp ? "--port \(udp)" : "--udp \(udp) --tcp \(tcp)")
      """
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// dns serve: a DNS plugin on the host's loopback, without a daemon and without a network.

import ArgumentParser
import Daemon
import Platform

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

struct DNSServe: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve a DNS plugin on 127.0.0.1, without a network.",
    discussion: """
      For guests whose network is not lima-netd's own, as QEMU's user networking (see dns guest-rules), and to try a \
      plugin. Needs no daemon. The ports are random and free unless given, and stay bound until the end; they are \
      printed when questions are answered. Ends with SIGTERM or SIGINT; SIGHUP has the plugin read the host's resolver \
      configuration anew.

        lima-netd dns serve
        lima-netd dns serve --udp 5300 --tcp 5300 --host db.internal=10.0.0.5 --host sql.internal=db.internal
        lima-netd dns serve --plugin hostdns --options '{"timeout": 3}' --no-ipv6
        lima-netd dns serve --plugin ./lima-dns-zone.so --options '{"file": "/srv/lab.zone"}' --json

      Identical questions share one lookup, answers are kept for as long as they may be, and answers too large for \
      UDP come by TCP, as in a network. LIMA_NETD_LOG=info shows what the process logs.
      """)

  @Option(help: "A DNS plugin's name, or its file (anything with a slash).", completion: .file())
  var plugin: String?
  @Option(
    name: .customLong("plugin-dir"), parsing: .singleValue,
    help: ArgumentHelp(
      "Directory with plugins, searched before the built-in one; may be given several times.",
      valueName: "dir"), completion: .directory)
  var pluginDirectories: [String] = []
  @Option(help: ArgumentHelp("The plugin's options, one JSON object.", valueName: "json"))
  var options = "{}"
  @Option(help: ArgumentHelp("UDP port; 0: a free one.", valueName: "port"))
  var udp: UInt16 = 0
  @Option(help: ArgumentHelp("TCP port; 0: a free one.", valueName: "port"))
  var tcp: UInt16 = 0
  @Option(
    name: .customLong("host"), parsing: .singleValue,
    help: ArgumentHelp(
      "A name answered without the plugin: NAME=ADDRESS, or NAME=OTHERNAME for an alias; may be given several times.",
      valueName: "name=target"))
  var hosts: [String] = []
  @Flag(inversion: .prefixedNo, help: "Whether names have IPv6 addresses.")
  var ipv6 = true
  @Flag(help: "Print one line of JSON when it serves.")
  var json = false

  func run() throws {
    let installation = try PluginSearchOptions.installation()
    do {
      let what = try DNSStandalone(
        plugin: plugin, directories: pluginDirectories, options: options, hosts: hosts, ipv6: ipv6,
        workingDirectory: CurrentProcess.workingDirectory, installation: installation)
      let udp = try LoopbackSockets.datagram(port: self.udp)
      let tcp = try LoopbackSockets.listener(port: self.tcp)
      let ready = Ready(
        address: "127.0.0.1", udp: try LoopbackSockets.port(of: udp),
        tcp: try LoopbackSockets.port(of: tcp), plugin: what.plugin.plugin.name,
        version: what.plugin.module.version, pid: CurrentProcess.id)
      // The process's own chatter is for those who ask for it.
      setenv("LIMA_NETD_LOG", "warn", 0)
      try DNSStandaloneServer.run(
        what, udp: udp, tcp: tcp, installation: installation,
        ready: { _ in
          StandardOutput.print(json ? (try? JSONText.string(ready)) ?? "{}" : ready.text)
        },
        complain: { StandardError.print("lima-netd: \($0)") })
    } catch let error as SystemError where error.errno == .addressInUse {
      throw CommandFailure(
        "\(error)", remedy: "Give another port, or 0 for one that is free.")
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  /// What is printed when questions are answered.
  struct Ready: Encodable {
    let address: String
    let udp: UInt16
    let tcp: UInt16
    let plugin: String
    let version: String
    let pid: Int32

    var text: String {
      """
      \(plugin) \(version) answers on \(address), UDP port \(udp) and TCP port \(tcp).
        dig @\(address) -p \(udp) example.com
        lima-netd dns guest-rules --udp \(udp) --tcp \(tcp)
      """
    }
  }
}

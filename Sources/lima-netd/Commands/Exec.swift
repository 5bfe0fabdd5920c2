// SPDX-License-Identifier: Apache-2.0
//
// exec: runs a command as a guest of a network, in namespaces of its own. The way to try, test and measure a network
// without a virtual machine. One thread from start to end: see LimaNetd.swift.

import ArgumentParser
import Daemon
import Platform

struct Exec: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Run a command as a guest of a network, without a virtual machine.",
    usage: "lima-netd exec <network> [<options>] [-- <command> ...]",
    discussion: """
      The command, or your shell where none is given, gets a network namespace with one interface, eth0, that is \
      attached to the network: address, route, MTU and /etc/resolv.conf are set. It sees your files, and is root in \
      there but nowhere else. No privileges are needed, only a /dev/net/tun that is open to you and user namespaces.

      When no daemon serves the Lima home, a private one is started with your configuration, and stopped afterwards.

        lima-netd exec default
        lima-netd exec default -- ip addr
        lima-netd exec default -- curl -sI https://example.com
        lima-netd exec default -p 8080:80 -- python3 -m http.server 80
        lima-netd exec user-v2 --name web -- python3 -m http.server 80
        lima-netd exec default --mtu 65520 -- iperf3 -c 192.168.5.2

      A port that is published by -p is open before the command starts and goes with it; where it is taken, nothing \
      is run.

      When the daemon is restarted the next one takes the guest back, and so does a network that is stopped and \
      started again; meanwhile it has no way out, and is told so.

      What the command sent last may still be on its way when it ends: exec stays until it has arrived, and says so after \
      a second. Ctrl-C ends the wait, and so do 30 seconds in which the other side takes nothing. What programs in the \
      background had written by then counts, too; they lose the network with the command. Killed itself (SIGKILL), exec \
      takes the command along; what that had started stays, without a network.

      The status is the command's, or 128 and the signal that ended it; 127: no such command, 126: it cannot be run, \
      125: lima-netd could not attach it.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @OptionGroup var guest: GuestOptions
  @OptionGroup var lease: LeaseOptions
  @OptionGroup var options: CommandOptions

  /// What runs.
  var command: [String] { options.command.isEmpty ? [UserShell.path] : options.command }

  func run() throws {
    #if os(Linux)
      if let note = Advice().pingNote(command: command[0], groups: GuestNamespace.groups()) {
        StandardError.print(note)
      }
      try GuestCommand(options, command: command).run { try NamespacedCommand(self) }
    #else
      throw CommandFailure("exec needs Linux's namespaces and TAP devices")
    #endif
  }
}

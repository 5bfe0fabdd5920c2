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
    usage:
      "lima-netd exec <network> [--mtu <bytes>] [--name <name>] [--mac <mac>] -- <command> ...",
    discussion: """
      The command gets a network namespace with one interface, eth0, that is attached to the network: address, route, \
      MTU and /etc/resolv.conf are set. It sees your files, and is root in there but nowhere else. No privileges are \
      needed, only a /dev/net/tun that is open to you and user namespaces.

      When no daemon serves the Lima home, a private one is started with your configuration, and stopped afterwards.

        lima-netd exec default -- ip addr
        lima-netd exec default -- curl -sI https://example.com
        lima-netd exec default --name web -- python3 -m http.server 80
        lima-netd exec default --mtu 65520 -- iperf3 -c 192.168.5.2

      What the command sent last may still be on its way when it ends: exec stays until it has arrived, and says so after \
      a second. Ctrl-C ends the wait, and so do 30 seconds in which the other side takes nothing. What programs in the \
      background had written by then counts, too; they lose the network with the command.

      The status is the command's, or 128 and the signal that ended it; 127: no such command, 126: it cannot be run, \
      125: lima-netd could not attach it.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @OptionGroup var guest: GuestOptions
  @OptionGroup var home: HomeOptions

  @Option(
    name: .customLong("plugin-dir"),
    help: ArgumentHelp(
      "For a private daemon: directory with more plugins. Can be repeated.", valueName: "dir"),
    completion: .directory)
  var pluginDirectories: [String] = []

  @Argument(parsing: .postTerminator, help: "The command and its arguments, after --.")
  var command: [String] = []

  func validate() throws {
    if command.isEmpty {
      throw ValidationError(
        "No command to run. Put it after --, as in: lima-netd exec \(network) -- ip addr")
    }
  }

  func run() throws {
    #if os(Linux)
      do {
        throw ExitCode(try GuestCommand(self).run())
      } catch let failure as CommandFailure {
        StandardError.print("Error: \(failure)")
      } catch let error as SystemError {
        StandardError.print("Error: \(error)")
      }
      throw ExitCode(125)
    #else
      throw CommandFailure("exec needs Linux's namespaces and TAP devices")
    #endif
  }
}

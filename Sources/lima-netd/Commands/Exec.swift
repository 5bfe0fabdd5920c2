// SPDX-License-Identifier: Apache-2.0
//
// exec: runs a command as a guest of a network, in its own namespaces: to try, test and measure a network without a virtual
// machine. Single-threaded: see LimaNetd.swift.

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

      exec is no sandbox for the command: it has your files, your processes and your services' sockets. With --sandbox it \
      has no capability and gains none, processes and terminals of its own, the host's files read-only, empty /tmp, \
      /run and /dev/shm, no Lima home, and of your environment PATH, HOME, TERM, the locale and the like. What your \
      user may read it can read: have secrets elsewhere, or run it as another user. `egress:` of the network says what it reaches.

        lima-netd exec ci --sandbox -- ./untrusted

      The status is the command's, or 128 and the signal that ended it; 127: no such command, 126: it cannot be run, \
      125: lima-netd could not attach it.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @Flag(
    help: ArgumentHelp(
      "Run the command in a sandbox: without capabilities, with processes and files of its own, the host's read-only."
    ))
  var sandbox = false

  @OptionGroup var guest: GuestOptions
  @OptionGroup var lease: LeaseOptions
  @OptionGroup var options: CommandOptions

  /// The command to run.
  var command: [String] { options.command.isEmpty ? [UserShell.path] : options.command }

  func validate() throws {
    guard options.command.first?.isEmpty != true else {
      throw ValidationError("The command after -- is an empty word.")
    }
  }

  func run() throws {
    #if os(Linux)
      if let note = Advice().pingNote(command: command[0], groups: GuestNamespace.groups()) {
        StandardError.print(note)
      }
      let words =
        sandbox ? try Sandbox.words(around: command, hiding: hiddenFolders()) : command
      try GuestCommand(options, command: words).run { try NamespacedCommand(self) }
    #else
      throw CommandFailure("exec needs Linux's namespaces and TAP devices")
    #endif
  }

  /// Additional folders that are hidden in a sandbox: Lima homes, with their keys and the sockets that control the
  /// networks.
  private func hiddenFolders() throws -> [String] {
    let environment = CurrentProcess.environment
    var folders = [try options.home.resolveServed().path]
    if let user = environment["HOME"] { folders.append(user + "/.lima") }
    if let temporary = environment["TMPDIR"], temporary.hasPrefix("/") { folders.append(temporary) }
    return Set(folders.compactMap { try? Files.realPath($0) }).sorted()
  }
}

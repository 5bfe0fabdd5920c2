// SPDX-License-Identifier: Apache-2.0
//
// attach: makes a TAP in somebody else's network namespace and hands it to the daemon: what slirp4netns does for
// containers. One thread from start to end: see LimaNetd.swift.

import ArgumentParser
import Daemon
import Platform

struct Attach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attach a network namespace, such as a container's, to a network.",
    discussion: """
      Makes a TAP device in the namespace, configures it, and stays in the foreground as long as the guest is \
      attached: until it is interrupted, the namespace's process ends, its file goes, or the daemon stops. Without \
      privileges this works for namespaces that belong to a user namespace of yours.

        lima-netd attach default --netns 4711
        sudo ip netns add lab && sudo lima-netd attach default --netns /run/netns/lab --tap eth0

      A container runtime waits for readiness by a pipe, as with slirp4netns: "1" is written to it when the guest has \
      its address.

        lima-netd attach default --netns "$PID" --tap tap0 --ready-fd 3

      When the namespace's process has ended, it stays until what was sent last has arrived, as exec does; a signal ends \
      that.

      Once attached it lets go of standard output and error where they are pipes, so that a script that captures its \
      output is not held up; why an attachment ended is in the daemon's log, too.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @Option(
    help: ArgumentHelp(
      "The namespace: a process's id, or a file such as /run/netns/NAME.", valueName: "path|pid"),
    completion: .file())
  var netns: String

  @Option(help: ArgumentHelp("Name of the interface to make.", valueName: "name"))
  var tap = "tap0"

  @OptionGroup var guest: GuestOptions

  @Flag(
    name: .customLong("no-config"),
    help:
      "Leave address and route to the namespace, which may ask by DHCP; only bring the interface up."
  )
  var noConfiguration = false

  @Option(
    name: .customLong("ready-fd"),
    help: ArgumentHelp("Write 1 to this descriptor when all is set.", valueName: "n"))
  var readyDescriptor: Int32?

  @OptionGroup var home: HomeOptions

  func validate() throws {
    if tap.isEmpty || tap.utf8.count > 15 || tap.contains(where: { $0 == "/" || $0.isWhitespace }) {
      throw ValidationError(
        "--tap \(tap): an interface's name has 1 to 15 characters, without / or spaces.")
    }
    if let readyDescriptor, readyDescriptor < 0 {
      throw ValidationError("--ready-fd \(readyDescriptor): give the number of an open descriptor.")
    }
  }

  func run() throws {
    #if os(Linux)
      try NamespaceGuest(self).run()
    #else
      throw CommandFailure("attach needs Linux's namespaces and TAP devices")
    #endif
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// tap: runs a virtual machine with a TAP on a network. Single-threaded: see LimaNetd.swift.

import ArgumentParser
import Daemon
import Platform

struct TapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tap",
    abstract: "Run a virtual machine with a TAP on a network, faster than by the network's socket.",
    usage: "lima-netd tap <network> [<options>] -- <command> ...",
    discussion: """
      The command finds the TAP as descriptor 3, with virtio-net headers: its guest sends segments of up to 64 KiB and \
      leaves checksums to the other end, which QEMU's -netdev stream cannot carry. For QEMU, cloud-hypervisor, crosvm \
      and all others that take a TAP's descriptor:

        lima-netd tap shared -- qemu-system-x86_64 ... \\
          -netdev tap,id=n0,fd=3 \\
          -device virtio-net-pci,netdev=n0,mac=52:55:55:12:34:56
        lima-netd tap shared -- cloud-hypervisor ... \\
          --net fd=3,mac=52:55:55:12:34:56

      Give each machine a mac of its own: QEMU's default is the same for all.

      With more networks, one inside the other:

        lima-netd tap shared -- lima-netd tap lab --fd 4 -- qemu-system-x86_64 ...

      The guest asks for its address by DHCP. With --mac, which has to be the virtual machine's, it is set aside at \
      once, and --name is its name in DNS from then on.

      Needed are a /dev/net/tun that is open to you, and user namespaces when you are not root: the TAP and its other \
      end are in a network namespace of their own, and no interface of the host's is made. The command itself stays \
      where it is. It is on the network until it ends, so leave QEMU in the foreground (no -daemonize).

      When the daemon is restarted the next one takes the machine back, whatever the version of QEMU, and so does a \
      network that is stopped and started again. Killed itself (SIGKILL), tap has the command told to end (SIGTERM); \
      a script that starts the machine does so best by `exec`, which makes it the command.

      When no daemon serves the Lima home, a private one is started with your configuration, and stopped afterwards.

      The status is the command's, or 128 and the signal that ended it; 127: no such command, 126: it cannot be run, \
      125: lima-netd could not attach it.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @Option(
    name: .customLong("fd"),
    help: ArgumentHelp("Which descriptor the TAP is for the command.", valueName: "number"))
  var descriptor: Int32 = 3

  @OptionGroup var guest: GuestOptions
  @OptionGroup var options: CommandOptions

  func validate() throws {
    if options.command.isEmpty {
      throw ValidationError(
        "No command to run. Put it after --, as in: lima-netd tap \(network) -- qemu-system-x86_64 ..."
      )
    }
    guard (3...1023).contains(descriptor) else {
      throw ValidationError("--fd \(descriptor): give a number from 3 to 1023.")
    }
  }

  func run() throws {
    #if os(Linux)
      try GuestCommand(options, command: options.command).run { try MachineCommand(self) }
    #else
      throw CommandFailure("tap needs Linux's namespaces and TAP devices")
    #endif
  }
}

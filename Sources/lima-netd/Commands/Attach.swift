// SPDX-License-Identifier: Apache-2.0
//
// attach: creates a TAP in an existing network namespace and passes it to the daemon, as slirp4netns does for containers.
// Single-threaded: see LimaNetd.swift.

import ArgumentParser
import Daemon
import Platform

struct Attach: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Attach a container, or any network namespace, to a network.",
    usage:
      "lima-netd attach <network> (--netns <namespace> | --container <name>) [<options>]",
    discussion: """
      Makes a TAP device in the namespace, configures it, and stays in the foreground as long as the guest is \
      attached: until it is interrupted, the namespace's process ends or its file goes, or `guest disconnect` sends it \
      away (status 1). Where no daemon serves the home, one is started and stays: `lima-netd stop`. Without privileges this \
      works for namespaces that belong to a user namespace of yours; run by sudo it finds the daemon of the user who \
      called it.

        lima-netd attach default --netns 4711
        lima-netd attach default --container web -p 8080:80
        sudo ip netns add lab
        sudo lima-netd attach default --netns lab --tap eth0 --detach

      With --container, Docker and podman are asked for the container's process, as the user who runs this: podman's \
      rootless containers are only known to their own user, who may also attach them without root.

      When the daemon is restarted the next one takes the guest back, and so does a network that is stopped and \
      started again; meanwhile the interface stays as it is, without a way out.

      /etc/resolv.conf belongs to the namespace's owner and is left as it is. Where it does not ask the network's DNS, \
      the lines that would are printed.

      A container runtime waits for readiness by a pipe, as with slirp4netns: "1" is written to it when the guest has \
      its address.

        lima-netd attach default --netns "$PID" --tap tap0 --ready-fd 3

      When the namespace's process has ended, it stays until what was sent last has arrived, as exec does; a signal ends \
      that. Killed (SIGKILL), it takes the interface along.

      Once attached it lets go of standard output and error where they are pipes, so that a script that captures its \
      output is not held up; why an attachment ended is in the daemon's log, too.
      """)

  @Argument(help: "The network: default, user-v2 or one of networks.yaml.", completion: .networks)
  var network: String

  @Option(
    help: ArgumentHelp(
      "The namespace: a process's id, a file, or the name of one of `ip netns`.",
      valueName: "namespace"),
    completion: .file())
  var netns: String?

  @Option(
    help: ArgumentHelp("The namespace of a container of Docker or podman.", valueName: "name"))
  var container: String?

  @Option(help: ArgumentHelp("Name of the interface to make.", valueName: "name"))
  var tap = "tap0"

  @OptionGroup var guest: GuestOptions

  @Flag(
    name: .customLong("no-config"),
    help:
      "Leave address and route to the namespace, which may ask by DHCP; only bring the interface up."
  )
  var noConfiguration = false

  @OptionGroup var lease: LeaseOptions

  @Flag(help: "Go on in the background once the guest is attached, and print the process's id.")
  var detach = false

  @Option(
    name: .customLong("ready-fd"),
    help: ArgumentHelp("Write 1 to this descriptor when all is set.", valueName: "n"))
  var readyDescriptor: Int32?

  @OptionGroup var listing: ListingOptions
  @OptionGroup var home: HomeOptions

  func validate() throws {
    guard (netns == nil) != (container == nil) else {
      throw ValidationError(
        netns == nil
          ? "Which namespace? Give --netns PID, FILE or NAME, or --container NAME."
          : "Give either --netns or --container.")
    }
    if let netns, netns.isEmpty || Int32(netns).map({ $0 <= 0 }) == true {
      throw ValidationError(
        "--netns \(netns.isEmpty ? "''" : netns): give a process's id, a file, or a name of `ip netns`."
      )
    }
    if container?.isEmpty == true {
      throw ValidationError("--container '': give a container's name.")
    }
    if tap.isEmpty || tap.utf8.count > 15 || tap.contains(where: { $0 == "/" || $0.isWhitespace }) {
      throw ValidationError(
        "--tap \(tap): an interface's name has 1 to 15 characters, without / or spaces.")
    }
    if let readyDescriptor, readyDescriptor < 0 {
      throw ValidationError("--ready-fd \(readyDescriptor): give the number of an open descriptor.")
    }
    #if os(Linux)
      if let readyDescriptor, !Files.exists("/proc/self/fd/\(readyDescriptor)") {
        throw ValidationError("--ready-fd \(readyDescriptor): no such descriptor is open.")
      }
    #endif
    if noConfiguration, !lease.published.isEmpty || !lease.dns.isEmpty {
      throw ValidationError(
        "--no-config: the guest has no address yet that --publish could lead to, and asks whom it likes for names."
      )
    }
  }

  func run() throws {
    #if os(Linux)
      guard !detach || DetachedAttach.isHere else {
        return try DetachedAttach.run(
          Array(CommandLine.arguments.dropFirst()), userDescriptor: readyDescriptor,
          isQuiet: listing.json)
      }
      try NamespaceGuest(self).run()
    #else
      throw CommandFailure("attach needs Linux's namespaces and TAP devices")
    #endif
  }

  #if os(Linux)
    func place() throws -> NamespacePlace {
      if let container { return try NamespacePlace(container: container) }
      return NamespacePlace(netns: netns ?? "")
    }
  #endif
}

// SPDX-License-Identifier: Apache-2.0
//
// DriverArguments: an instance's interfaces as arguments of the program that runs it. Pure.

package enum DriverArguments {
  /// Why there are none.
  package struct Problem: Error, Sendable, Hashable, CustomStringConvertible {
    package var description: String
  }

  /// How QEMU reaches a network.
  package enum QEMUTransport: Sendable, Hashable {
    /// By the path of its socket.
    case stream
    /// By connected sockets that are inherited, from this descriptor on, in the order of the interfaces.
    case descriptors(first: Int)
    /// The same with TAP devices, as `lima-netd tap` passes them on.
    case taps(first: Int)
  }

  /// `-netdev` and `-device` of each interface, a word an element.
  package static func qemu(
    _ interfaces: [InterfaceReport], arch: String, _ capabilities: QEMUCapabilities,
    _ transport: QEMUTransport
  ) throws(Problem) -> [String] {
    let device = arch == "s390x" ? "virtio-net-ccw" : "virtio-net-pci"
    var words: [String] = []
    for (index, interface) in interfaces.enumerated() {
      guard let path = interface.qemu else {
        throw Problem(
          description: "\(interface.name): \(VZNAT.needs); QEMU has nothing like it: "
            + "a network of mode shared does the same with QEMU")
      }
      words += try qemu(
        id: interface.id, mac: interface.mac, socket: path, device: device, at: index, capabilities,
        transport)
    }
    return words
  }

  /// The same of one interface, whatever it belongs to. All that prints arguments of QEMU's gets them here.
  /// - Parameters:
  ///   - device: QEMU's name of the card.
  ///   - index: its place among the descriptors.
  package static func qemu(
    id: String, mac: String, socket: String, device: String = "virtio-net-pci", at index: Int = 0,
    _ capabilities: QEMUCapabilities, _ transport: QEMUTransport
  ) throws(Problem) -> [String] {
    let netdev: String
    switch transport {
    case .descriptors(let first):
      netdev = "socket,id=\(id),fd=\(first + index)"
    case .taps(let first):
      netdev = "tap,id=\(id),fd=\(first + index)"
    case .stream:
      guard capabilities.stream else {
        throw Problem(
          description:
            "this QEMU has no -netdev stream, which came with 7.2: connect the sockets "
            + "yourself and say with --first-fd which descriptors they are")
      }
      netdev =
        "stream,id=\(id),server=off,addr.type=unix,addr.path=\(escaped(socket))"
        + (capabilities.reconnect.isEmpty ? "" : "," + capabilities.reconnect)
    }
    return ["-netdev", netdev, "-device", "\(device),netdev=\(id),mac=\(mac)"]
  }

  /// `--device` of each interface, for vfkit and krunkit.
  package static func vfkit(_ interfaces: [InterfaceReport]) throws(Problem) -> [String] {
    var words: [String] = []
    for interface in interfaces {
      if let path = interface.unixgram {
        words += ["--device", "virtio-net,unixSocketPath=\(path),mac=\(interface.mac)"]
      } else if interface.vzNAT {
        words += ["--device", "virtio-net,nat,mac=\(interface.mac)"]
      } else {
        throw Problem(
          description:
            "\(interface.name): \(interface.qemu ?? "") has QEMU's framing, which vfkit does not speak"
        )
      }
    }
    return words
  }

  /// A comma in a value of QEMU's options is written twice.
  private static func escaped(_ path: String) -> String {
    path.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
  }

  /// One line for a POSIX shell.
  package static func shell(_ words: [String]) -> String {
    words.map { word in
      let isPlain = word.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "-_./:=,@%+".utf8.contains(byte)
        }
      }
      if isPlain, !word.isEmpty { return word }
      return "'"
        + word.split(separator: "'", omittingEmptySubsequences: false)
        .joined(separator: #"'\''"#) + "'"
    }.joined(separator: " ")
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A TCP echo through two stacks that are joined by a link in memory. A client connects to a forward of the
// guest's stack, which speaks TCP to the gateway's stack, which connects to the server:
//
//   client ── socket ── guest's stack ══ frames ══ gateway's stack ── socket ── echo server
//
// Run it with: swift run netstack-echo [words ...]

import Glibc
import NetStack
import Wire

@main
enum Echo {
  static let gateway = IPAddress(192, 168, 5, 2)
  static let guest = IPAddress(192, 168, 5, 15)

  /// A stack that has `address` on the network 192.168.5.0/24.
  static func stack(_ address: IPAddress, _ mac: MACAddress, on host: PollHost) throws -> Stack {
    guard let subnet = CIDR(address, prefixLength: 24) else { throw Failure(text: "no subnet") }
    var config = StackConfig(subnet: subnet, gateway: address, dns: address)
    config.gatewayMAC = mac
    let stack = Stack(host: host, config: config)
    host.attach(stack)
    return stack
  }

  static func main() throws {
    let words = CommandLine.arguments.dropFirst()
    let text = words.isEmpty ? "hello" : words.joined(separator: " ")

    let outside = PollHost()
    let inside = PollHost()
    let gatewayStack = try stack(gateway, MACAddress(0x52, 0x55, 0, 0, 0, 2), on: outside)
    let guestStack = try stack(guest, MACAddress(0x52, 0x55, 0, 0, 0, 15), on: inside)
    PollHost.join(outside, inside)

    // The gateway's address leads to the loopback of the machine, where the server is.
    let server = try EchoServer()
    let rule = try guestStack.forwards.expose(
      ForwardRule(
        kind: .tcp(Endpoint(.loopbackV4, port: 0)), guest: Endpoint(gateway, port: server.port)))
    guard case .tcp(let forward) = rule.kind else { throw Failure(text: "no forward") }

    let client = try Client(port: forward.port)
    client.send(text)
    PollHost.run([outside, inside]) {
      server.step()
      client.step()
      return client.isOver || client.received.utf8.count >= text.utf8.count
    }
    print(client.received)
    guestStack.shutDown()
    gatewayStack.shutDown()
    if client.received != text { throw Failure(text: "something else came back") }
  }
}

// SPDX-License-Identifier: Apache-2.0
//
// A guest that serves, and a port of the host for it.

import Foundation
import Testing

/// Python: echoes TCP and UDP on port 7000 until it is stopped, after it said "up".
let echoServers = """
  import socket, threading
  u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("", 7000))
  def datagrams():
    while True:
      data, peer = u.recvfrom(65536); u.sendto(data, peer)
  threading.Thread(target=datagrams, daemon=True).start()
  t = socket.create_server(("", 7000))
  print("up", flush=True)
  def serve(c):
    while data := c.recv(65536): c.sendall(data)
    c.close()
  while True: threading.Thread(target=serve, args=(t.accept()[0],), daemon=True).start()
  """

/// A TCP and UDP port of the host's loopback that nobody has.
func freePort() throws -> Int {
  let result = try run(
    "python3",
    [
      "-c",
      "import socket; s = socket.create_server((\"127.0.0.1\", 0)); print(s.getsockname()[1])",
    ])
  return try #require(Int(result.output.trimmingCharacters(in: .whitespacesAndNewlines)))
}

/// The IPv4 address of a guest of that name.
func guestAddress(_ name: String, _ daemon: TestDaemon) throws -> String {
  var address: String?
  _ = try eventually {
    let line = try daemon.netd("leases").output.split(separator: "\n").first {
      $0.split(separator: " ").contains { $0 == name }
    }
    address = line?.firstMatch(of: /192\.168\.\d+\.\d+/).map { String($0.0) }
    return address != nil
  }
  return try #require(address)
}

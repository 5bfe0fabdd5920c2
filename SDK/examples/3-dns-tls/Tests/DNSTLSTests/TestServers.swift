// SPDX-License-Identifier: Apache-2.0
//
// A DNS over TLS server: unbound, with a certificate made by openssl, on loopback.

import Foundation

struct Failure: Error, CustomStringConvertible {
  let description: String
}

/// A directory with a certificate authority and a certificate issued by it.
struct Certificates {
  let folder: String
  var authority: String { folder + "/ca.pem" }
  var certificate: String { folder + "/server.pem" }
  var key: String { folder + "/server.key" }

  /// - Parameter subjects: subject alternative names of the certificate.
  init(for subjects: String = "DNS:dns.test,IP:127.0.0.1") throws {
    folder = NSTemporaryDirectory() + "dns-tls-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try shell(
      """
      set -e
      cd '\(folder)'
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-authority \
        -keyout ca.key -out ca.pem 2>err
      openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=dns.test -keyout server.key \
        -out server.csr 2>err
      echo 'subjectAltName=\(subjects)' >ext
      openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext \
        -out server.pem 2>err
      """)
  }

  func remove() { try? FileManager.default.removeItem(atPath: folder) }
}

/// unbound, which answers a few names itself and sends no questions.
final class Unbound {
  let port: Int
  private let process = Process()
  private let folder: String

  init(_ certificates: Certificates, address: String, idleMilliseconds: Int = 30000) throws {
    port = try Self.freePort()
    folder = certificates.folder + "/unbound-\(port)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let names = (0..<200).map { "  local-data: \"n\($0).lab.test. 60 IN A 192.0.2.\($0 + 1)\"" }
    let configuration = """
      server:
        interface: 127.0.0.1@\(port)
        tls-port: \(port)
        tls-service-key: "\(certificates.key)"
        tls-service-pem: "\(certificates.certificate)"
        do-daemonize: no
        use-syslog: no
        logfile: ""
        chroot: ""
        username: ""
        directory: "\(folder)"
        pidfile: "\(folder)/pid"
        module-config: "iterator"
        do-not-query-localhost: no
        tcp-idle-timeout: \(idleMilliseconds)
        incoming-num-tcp: 100
        num-threads: 1
        local-zone: "lab.test." static
        local-data: "who.lab.test. 60 IN A \(address)"
      \(names.joined(separator: "\n"))
        local-zone: "." refuse
      remote-control:
        control-enable: no
      """
    try configuration.write(toFile: folder + "/conf", atomically: true, encoding: .utf8)
    process.executableURL = URL(filePath: "/usr/sbin/unbound")
    process.arguments = ["-d", "-c", folder + "/conf"]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    let deadline = Date().addingTimeInterval(10)
    while (try? shell("exec 3<>/dev/tcp/127.0.0.1/\(port)")) == nil {
      guard Date() < deadline, process.isRunning else {
        throw Failure(description: "unbound does not listen")
      }
      usleep(20000)
    }
  }

  func stop() {
    guard process.isRunning else { return }
    process.terminate()
    process.waitUntilExit()
  }

  deinit { stop() }

  static func freePort() throws -> Int {
    let text = try shell(
      "python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])'"
    )
    guard let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
      throw Failure(description: "no free port: \(text)")
    }
    return port
  }
}

/// A server that accepts connections and sends nothing.
final class SilentServer {
  let port: Int
  private let server: Python

  init() throws {
    server = try Python(
      """
      import socket, time
      s = socket.create_server(("127.0.0.1", 0))
      print(s.getsockname()[1])
      time.sleep(60)
      """)
    port = try server.port
  }
}

/// Answers every question with one response code, and the code as text of an extended error (RFC 8914), over TLS.
final class CodeServer {
  let port: Int
  private let server: Python

  init(_ certificates: Certificates, code: Int) throws {
    server = try Python(
      """
      import socket, ssl, sys, threading
      context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
      context.load_cert_chain("\(certificates.certificate)", "\(certificates.key)")
      text = b"\(code)"
      opt = (b"\\0\\0\\x29\\x04\\xd0\\0\\0\\0\\0" + (6 + len(text)).to_bytes(2, "big")
             + b"\\0\\x0f" + (2 + len(text)).to_bytes(2, "big") + b"\\0\\0" + text)
      def serve(plain):
          try:
              with context.wrap_socket(plain, server_side=True) as client:
                  stream = client.makefile("rb")
                  while head := stream.read(2):
                      query = stream.read(int.from_bytes(head, "big"))
                      end = query.index(b"\\0", 12) + 5
                      answer = (query[:2] + bytes([0x81, 0x80 | \(code), 0, 1, 0, 0, 0, 0, 0, 1])
                                + query[12:end] + opt)
                      client.sendall(len(answer).to_bytes(2, "big") + answer)
          except OSError: pass
      s = socket.create_server(("127.0.0.1", 0))
      print(s.getsockname()[1])
      while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
      """)
    port = try server.port
  }
}

/// A Python program that prints its port number first.
private final class Python {
  private let process = Process()
  private let pipe = Pipe()

  init(_ program: String) throws {
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", "-uc", program]
    process.standardOutput = pipe
    // Not the test runner's standard error, which the runner reads until all processes have closed it.
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  var port: Int {
    get throws {
      let text = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
      guard let port = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
        throw Failure(description: "no server: \(text)")
      }
      return port
    }
  }

  // SIGTERM may be blocked: a child inherits the signal mask of the thread that started it.
  deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
}

/// Runs a bash script and returns its output.
@discardableResult
func shell(_ script: String) throws -> String {
  let process = Process()
  let pipe = Pipe()
  process.executableURL = URL(filePath: "/bin/bash")
  process.arguments = ["-c", script]
  process.standardOutput = pipe
  process.standardError = FileHandle.nullDevice
  try process.run()
  let output = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw Failure(description: "failed: \(script)") }
  return String(decoding: output, as: UTF8.self)
}

// SPDX-License-Identifier: Apache-2.0
//
// UnixListeners: the sockets of a network's unix forwards. The supervisor makes them and removes their files: the
// network's process may make no file outside its state folder (docs/security.md). They stay while the process is
// replaced by another, so a client meanwhile waits; where that takes a second or more, or for want of the host's interface
// nobody knows how long, they are closed until the next process runs. Loop thread.

import HostProtocol
import Platform

final class UnixListeners {
  var bound: [String: UnixSocket.Bound] = [:]

  deinit { closeAll() }

  /// A socket that listens at `path`, made unless it is there. It stays this object's.
  func socket(at path: String) throws(HostError) -> Int32 {
    if let known = bound[path] {
      if known.file?.isThere ?? false { return known.fd }
      // Somebody removed the file: nobody finds the socket any more.
      close(path)
    }
    do throws(SystemError) {
      let made = try UnixSocket.serve(path: path, backlog: 1024)
      bound[path] = made
      return made.fd
    } catch {
      throw Self.failure(path, error)
    }
  }

  /// What became of the file of the socket that was made for `path`, when it is not there any more.
  enum Loss {
    case removed
    /// Another file has its name.
    case replaced
  }

  /// Nil while whoever connects to `path` gets to this object's socket, and when there is none. One `lstat`.
  func loss(at path: String) -> Loss? {
    guard let known = bound[path], known.file?.isThere != true else { return nil }
    return Files.exists(path) ? .replaced : .removed
  }

  /// Unlinks the file, if it is this socket's still. Idempotent.
  func close(_ path: String) { bound.removeValue(forKey: path)?.close() }

  func closeAll() {
    for listener in bound.values { listener.close() }
    bound = [:]
  }

  private static func failure(_ path: String, _ error: SystemError) -> HostError {
    let refusal = UnixSocket.refusal(of: path, error.errno.rawValue, detail: error.detail)
    let code: HostError.Code =
      switch refusal.kind {
      case .taken: .exists
      case .invalid: .invalidConfig
      case .system: .system
      }
    return HostError(code, refusal.text)
  }
}

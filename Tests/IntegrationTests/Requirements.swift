// SPDX-License-Identifier: Apache-2.0
//
// What a test needs of the machine. A test that cannot run says so, with the
// reason; with CI=true that is a failure, because CI has to have everything.

import Foundation
import Testing

enum Requirement {
  /// A TAP device in a network namespace of one's own.
  case tap
  /// The guest of Tests/Guest and the QEMU to boot it.
  case virtualMachine
  /// The same for users without privileges.
  case tapForAll
  /// Root, to become somebody else.
  case root
  /// Root, and programs that the user nobody may run.
  case nobody
  /// A program in PATH.
  case program(String)
  /// One of the kernel's.
  case congestionControl(String)

  /// Why it is not to be had here, or nil.
  var missing: String? {
    switch self {
    case .tap:
      guard access("/dev/net/tun", R_OK | W_OK) == 0 else {
        return "/dev/net/tun is not accessible (as root: chmod 666 /dev/net/tun)"
      }
      let result = try? run(
        "unshare", getuid() == 0 ? ["-n", "true"] : ["-Urn", "true"], seconds: 5)
      return result?.succeeded == true ? nil : "network namespaces cannot be made here"
    case .tapForAll:
      let words = getuid() == 0 ? ["setpriv", "--reuid", "65534", "--clear-groups"] : ["env"]
      let result = try? run(
        words[0], Array(words.dropFirst()) + ["test", "-w", "/dev/net/tun"], seconds: 5)
      return result?.succeeded == true
        ? nil : "/dev/net/tun is root's alone (as root: chmod 666 /dev/net/tun)"
    case .virtualMachine:
      guard FileManager.default.fileExists(atPath: Installation.guest + "/initramfs.cpio") else {
        return "there is no test guest (Tests/Guest/build-guest .build/guest)"
      }
      #if arch(arm64)
        return Requirement.program("qemu-system-aarch64").missing
      #else
        return Requirement.program("qemu-system-x86_64").missing
      #endif
    case .root:
      return getuid() == 0 ? nil : "only root can do this"
    case .nobody:
      guard getuid() == 0 else { return "only root can do this" }
      let result = try? run(
        "setpriv",
        ["--reuid", "65534", "--regid", "65534", "--clear-groups", "ls", Installation.products],
        seconds: 5)
      return result?.succeeded == true ? nil : "the build folder is not readable by other users"
    case .program(let name):
      let result = try? run("sh", ["-c", "command -v \(name)"], seconds: 5)
      return result?.succeeded == true ? nil : "\(name) is not installed"
    case .congestionControl(let name):
      let path = "/proc/sys/net/ipv4/tcp_available_congestion_control"
      let known = (try? String(contentsOfFile: path, encoding: .utf8))?
        .split(whereSeparator: \.isWhitespace)
      return known?.contains(Substring(name)) == true
        ? nil : "the kernel has no \(name) (as root: modprobe tcp_\(name))"
    }
  }
}

/// Cancels the test, saying why, unless all are there. In CI it fails instead.
func require(_ requirements: Requirement..., from location: SourceLocation = #_sourceLocation)
  throws
{
  for requirement in requirements {
    guard let reason = requirement.missing else { continue }
    if ProcessInfo.processInfo.environment["CI"] == "true" {
      throw TestFailure("not to be skipped in CI: \(reason)")
    }
    try Test.cancel(Comment(rawValue: reason), sourceLocation: location)
  }
}

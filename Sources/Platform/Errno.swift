// SPDX-License-Identifier: Apache-2.0
//
// Errno: an errno value with its C name and its text. SystemError: the call that failed, its subject and the reason.

import LibC
import CPlatform

/// A value of `errno`.
package struct Errno: RawRepresentable, Error, Hashable, Sendable, CustomStringConvertible {
  package let rawValue: Int32

  package init(rawValue: Int32) { self.rawValue = rawValue }
  package init(_ rawValue: Int32) { self.rawValue = rawValue }

  /// The reason in a result of a `-errno` function; nil when it succeeded.
  package init?<Result: FixedWidthInteger & SignedInteger>(result: Result) {
    guard result < 0 else { return nil }
    self.rawValue = Int32(truncatingIfNeeded: 0 &- result)
  }

  /// The errno of the calling thread's last failed libc call.
  package static var current: Errno { Errno(errno) }

  /// "ECONNREFUSED", or "errno 123" when the number has no name here.
  package var name: String {
    guard let name = plat_errno_name(rawValue) else { return "errno \(rawValue)" }
    return String(cString: name)
  }

  /// "Connection refused"
  package var description: String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 160) { buffer in
      guard let base = buffer.baseAddress else { return name }
      plat_errno_text(rawValue, base, UInt64(buffer.count))
      return String(cString: base)
    }
  }
}

extension Errno {
  package static var wouldBlock: Errno { Errno(EAGAIN) }
  package static var interrupted: Errno { Errno(EINTR) }
  package static var connectionRefused: Errno { Errno(ECONNREFUSED) }
  package static var accessDenied: Errno { Errno(EACCES) }
  package static var notPermitted: Errno { Errno(EPERM) }
  package static var noSuchFile: Errno { Errno(ENOENT) }
  package static var addressInUse: Errno { Errno(EADDRINUSE) }
  package static var timedOut: Errno { Errno(ETIMEDOUT) }
  package static var invalidArgument: Errno { Errno(EINVAL) }
  package static var nameTooLong: Errno { Errno(ENAMETOOLONG) }
  package static var exists: Errno { Errno(EEXIST) }
  package static var notDirectory: Errno { Errno(ENOTDIR) }
  package static var tooLarge: Errno { Errno(EFBIG) }
  package static var tooManyLinks: Errno { Errno(ELOOP) }
  package static var readOnlyFileSystem: Errno { Errno(EROFS) }
  package static var noSpace: Errno { Errno(ENOSPC) }
  package static var quotaExceeded: Errno { Errno(EDQUOT) }
}

/// A system call that failed.
package struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The call's C name: "connect".
  package let call: String
  package let errno: Errno
  /// What the call was applied to: a path, an address, or nil.
  package let subject: String?
  /// A more specific reason than the errno's text: "a named pipe is there, not a file".
  package let detail: String?

  package init(_ call: String, _ errno: Errno, subject: String? = nil, detail: String? = nil) {
    self.call = call
    self.errno = errno
    self.subject = subject
    self.detail = detail
  }

  /// The reason without the subject, for texts that already name it.
  package var reason: String { detail ?? errno.description }

  /// "connect /run/x.sock: Connection refused (ECONNREFUSED)"
  package var description: String {
    let about = subject.map { "\(call) \($0)" } ?? call
    return detail.map { "\(about): \($0)" } ?? "\(about): \(errno) (\(errno.name))"
  }
}

/// Returns a `-errno` function's result, or throws it.
@inline(__always)
package func check<Result: FixedWidthInteger & SignedInteger>(
  _ call: @autoclosure () -> String, _ result: Result, subject: @autoclosure () -> String? = nil
) throws(SystemError) -> Result {
  guard let errno = Errno(result: result) else { return result }
  throw SystemError(call(), errno, subject: subject())
}

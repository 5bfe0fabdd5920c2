// SPDX-License-Identifier: Apache-2.0
//
// The process that serves a Lima home, from its pid file; also of a daemon that does not answer.

import Daemon
import Platform

extension LimaHome {
  /// The process id in the pid file, of a process that may have ended.
  var writtenPID: Int32? {
    (try? Files.read(pidFile, limit: 64))
      .flatMap { Int32(String(decoding: $0, as: UTF8.self).filter(\.isNumber)) }
      .flatMap { $0 > 1 ? $0 : nil }
  }

  /// The process with the lock on the pid file, which serves the home. Nil if there is none, or it cannot be determined.
  var lockHolder: Int32? {
    guard Files.exists(pidFile), let pid = writtenPID, OtherProcess.isAlive(pid) else { return nil }
    do throws(SystemError) {
      guard let fd = try Files.openLocked(pidFile, mode: 0o600) else { return pid }
      // Closed at once. A daemon that starts at this moment would report that another has the home.
      Descriptor.close(fd)
    } catch {}
    return nil
  }
}

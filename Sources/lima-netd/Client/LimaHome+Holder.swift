// SPDX-License-Identifier: Apache-2.0
//
// Which process serves a Lima home, by its pid file: also of a daemon that nobody hears any more.

import Daemon
import Platform

extension LimaHome {
  /// As the pid file has it, whether or not it lives.
  var writtenPID: Int32? {
    (try? Files.read(pidFile, limit: 64))
      .flatMap { Int32(String(decoding: $0, as: UTF8.self).filter(\.isNumber)) }
      .flatMap { $0 > 1 ? $0 : nil }
  }

  /// Who has the lock on the pid file: the process that serves the home. Nil: nobody has it, or it may not be looked at.
  var lockHolder: Int32? {
    guard Files.exists(pidFile), let pid = writtenPID, OtherProcess.isAlive(pid) else { return nil }
    do throws(SystemError) {
      guard let fd = try Files.openLocked(pidFile, mode: 0o600) else { return pid }
      // Given back at once. A daemon that begins in this very moment says that another has the home.
      Descriptor.close(fd)
    } catch {}
    return nil
  }
}

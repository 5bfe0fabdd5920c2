// SPDX-License-Identifier: Apache-2.0
//
// OwnedFolder: a folder that is given to another user, by root.

import LibC

package enum OwnedFolder {
  /// Opens the folder, and makes `user`, or this process's own, the owner of it and of the regular files in it; closed to
  /// others. Links and files with other names elsewhere stay whose they are: whoever owned the folder may have made them.
  /// - Returns: its descriptor, the caller's to close.
  package static func give(_ path: String, to user: ProcessUser?) throws(SystemError) -> Int32 {
    let (uid, gid) = user.map { ($0.uid, $0.gid) } ?? (geteuid(), getegid())
    let names = try Files.list(path)
    let fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard fd >= 0 else { throw SystemError("open", .current, subject: path) }
    do throws(SystemError) {
      for name in names {
        var info = stat()
        guard fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0, info.st_mode & S_IFMT == S_IFREG,
          info.st_nlink == 1, info.st_uid != uid || info.st_gid != gid
        else { continue }
        guard fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) == 0 else {
          throw SystemError("fchownat", .current, subject: "\(path)/\(name)")
        }
      }
      guard fchown(fd, uid, gid) == 0, fchmod(fd, 0o700) == 0 else {
        throw SystemError("fchown", .current, subject: path)
      }
    } catch {
      Descriptor.close(fd)
      throw error
    }
    return fd
  }
}

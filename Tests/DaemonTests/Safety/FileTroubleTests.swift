// SPDX-License-Identifier: Apache-2.0
//
// What users are told of a file that cannot be used, and the command that mends it.

import LibC
import Platform
import Testing

@testable import Daemon

@Suite(.timeLimit(.minutes(1))) struct FileTroubleTests {
  /// A tree of folders and files by path; what is not in it is not there.
  private func trouble(
    _ errno: Errno, _ path: String, _ tree: [String: PathStatus]
  ) -> String? {
    FileTrouble(
      SystemError("open", errno, subject: path), user: 1000, name: { $0 == 0 ? "root" : "u\($0)" },
      look: { (path) throws(SystemError) in
        guard let status = tree[path] else {
          throw SystemError("stat", .noSuchFile, subject: path)
        }
        return status
      }
    )?.description
  }

  private func folder(_ uid: UInt32, _ mode: UInt32 = 0o755) -> PathStatus {
    PathStatus(kind: .directory, mode: mode, uid: uid)
  }

  @Test func `the file, else the folder in which it was to be, is told with its owner`() {
    let tree = [
      "/": folder(0), "/h": folder(1000), "/h/_config": folder(0),
      "/h/file": PathStatus(kind: .file, mode: 0o600, uid: 0),
    ]
    #expect(
      trouble(.accessDenied, "/h/file", tree)
        == "/h/file belongs to root, and you are u1000: probably since a `sudo lima-netd`\n"
        + "Have it be yours:  sudo chown u1000: /h/file")
    #expect(
      trouble(.accessDenied, "/h/_config/networks.yaml", tree)?
        .hasSuffix("sudo chown -R u1000: /h/_config") == true)
  }

  @Test func `one's own file that is closed is opened by its mode`() {
    let tree = [
      "/": folder(0), "/h": folder(1000), "/h/f": PathStatus(kind: .file, mode: 0o400, uid: 1000),
    ]
    let text = trouble(.accessDenied, "/h/f", tree)
    #expect(text?.contains("its mode is 0400") == true, "\(text ?? "")")
    #expect(text?.hasSuffix("chmod u+rw /h/f") == true)
  }

  @Test func `a closed folder on the way is named`() {
    let text = trouble(.accessDenied, "/a/b/c", ["/": folder(0), "/a": folder(7, 0o700)])
    #expect(text?.hasPrefix("/a/b/c is out of reach: /a is closed to u1000, by u7") == true)
  }

  @Test func `a file where a folder has to be, a full disk and one that is read-only have words`() {
    let tree = ["/": folder(0), "/f": PathStatus(kind: .file, mode: 0o644, uid: 1000)]
    #expect(trouble(.notDirectory, "/f/x", tree)?.hasPrefix("/f is no directory") == true)
    #expect(trouble(.noSpace, "/h/f", tree)?.contains("the disk is full") == true)
    #expect(trouble(.readOnlyFileSystem, "/h/f", tree)?.contains("mounted read-only") == true)
    #expect(trouble(.noSuchFile, "/h/f", tree) == nil)
  }

  @Test(arguments: [
    (SystemError("open", Errno(EMFILE), subject: "/x"), "this process has no file descriptor left"),
    (SystemError("posix_spawn", .wouldBlock, subject: "/x"), "no more processes are allowed"),
    (SystemError("posix_spawn", Errno(ENOEXEC), subject: "/x"), "/x is no program"),
    (SystemError("bind", .addressInUse, subject: "/x"), "/x is served by another program"),
    (
      SystemError(
        "open", .invalidArgument, subject: "/x", detail: "a named pipe is there, not a regular file"
      ),
      "/x: a named pipe is there, not a regular file\nMove it away:  mv /x /x.old"
    ),
  ])
  func `what is used up or in the way is told with a command`(_ error: SystemError, _ text: String)
  {
    let trouble = FileTrouble(error)
    #expect(trouble?.description.hasPrefix(text) == true, "\(trouble?.description ?? "")")
    #expect(trouble?.remedy != nil)
  }
}

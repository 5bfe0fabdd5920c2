// SPDX-License-Identifier: Apache-2.0
//
// Loader: loads plugins through libltdl, resident (only the exit unloads) and local. libltdl reports "file not found"
// for nearly every failure, so the real reason comes from `inspect` of the same file in a child process.

import LibC
import CLtdl
import HostProtocol
import JSONCoding
import Platform
import PluginAPI

/// A plugin loaded into this process until its end.
package struct LoadedPlugin {
  package let module: Module
  package let descriptor: Module.Descriptor
  package let file: String
  package let sha256: String
}

package enum Loader {
  /// Loads the plugin of that kind.
  /// - Parameter executable: this program, for the pre-flight; nil: the reason is libltdl's text.
  /// - Parameter known: the file's SHA-256, if just computed; nil: it is computed here.
  package static func load(
    _ reference: PluginRef, kind: String, executable: String?,
    hash known: Result<String, SystemError>? = nil
  ) throws(LoadError) -> LoadedPlugin {
    let hash: String
    do throws(SystemError) {
      if let known { hash = try known.get() } else { hash = try SHA256.of(file: reference.file) }
    } catch {
      throw LoadError(.missingFile, error.description)
    }
    guard reference.sha256.isEmpty || reference.sha256 == hash else {
      throw LoadError(
        .loadFailed, "\(reference.file) has changed since it was found; reload the configuration")
    }
    let module = try open(reference.file, executable)
    guard
      let descriptor = module.plugins.first(where: {
        $0.kind == kind && (reference.name.isEmpty || $0.name == reference.name)
      })
    else {
      throw LoadError(.wrongKind, "\(reference.file) holds no \(kind) plugin \"\(reference.name)\"")
    }
    return LoadedPlugin(
      module: module, descriptor: descriptor, file: reference.file, sha256: hash)
  }

  private static func open(_ path: String, _ executable: String?) throws(LoadError) -> Module {
    // libltdl counts the calls: one for each load is right.
    guard lt_dlinit() == 0 else { throw LoadError(.loadFailed, "libltdl: \(lastError)") }
    var advice: lt_dladvise?
    guard lt_dladvise_init(&advice) == 0, lt_dladvise_local(&advice) == 0,
      lt_dladvise_resident(&advice) == 0
    else { throw LoadError(.loadFailed, "libltdl: \(lastError)") }
    defer { _ = lt_dladvise_destroy(&advice) }
    // libltdl maps lazily, and a truncated file would raise SIGBUS: checked before.
    try ELFCheck.check(path)
    guard let handle = lt_dlopenadvise(path, advice) else {
      let said = lastError
      throw preflight(path, executable) ?? LoadError(.loadFailed, "libltdl: \(said)")
    }
    guard let symbol = lt_dlsym(handle, LND_ENTRY_SYMBOL) else {
      throw preflight(path, executable)
        ?? LoadError(.noEntry, "it does not export \(LND_ENTRY_SYMBOL)")
    }
    // The symbol's address is untyped; the header defines its type.
    return try Module(
      entry: unsafeBitCast(symbol, to: lnd_entry_v1.self), info: HostIdentity.info)
  }

  private static var lastError: String {
    lt_dlerror().map { String(cString: $0) } ?? "no reason given"
  }

  /// The fault that `inspect` finds in the file, within at most 10 s; nil: none.
  private static func preflight(_ path: String, _ executable: String?) -> LoadError? {
    guard let executable else { return nil }
    do throws(SystemError) {
      let pipe = try Descriptor.pipe()
      defer { Descriptor.close(pipe.read) }
      let spawned = Result { () throws(SystemError) in
        try ChildProcess.spawn(executable, ["inspect", path], fds: [(pipe.write, 1)])
      }
      Descriptor.close(pipe.write)
      let pid = try spawned.get()
      let output = try drain(pipe.read, limit: 1 << 20)
      let status: ChildProcess.ExitStatus
      if let ended = try ChildProcess.wait(pid, timeout: 10_000_000_000) {
        status = ended
      } else {
        ChildProcess.kill(pid, SIGKILL)
        status = try ChildProcess.wait(pid)
      }
      guard status.isSuccess else {
        return LoadError(.loadFailed, "a process that tried to load it was \(status)")
      }
      let found = try? JSONCoder.decode(Inspection.self, from: output)
      guard let found, !found.ok, let reason = found.reason else { return nil }
      return LoadError(reason, found.detail ?? "")
    } catch {
      return nil
    }
  }

  private static func drain(_ fd: Int32, limit: Int) throws(SystemError) -> [UInt8] {
    var output: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16384)
    while output.count < limit, try Descriptor.wait(fd, .read, timeout: 10_000) {
      let count = buffer.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
      guard count > 0 else { break }
      output += buffer[..<count]
    }
    return output
  }
}

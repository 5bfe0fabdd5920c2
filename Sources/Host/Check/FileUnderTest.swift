// SPDX-License-Identifier: Apache-2.0
//
// The file under test, loaded by plain dlopen.

import LibC
import HostProtocol
import Platform
import PluginAPI

struct FileUnderTest {
  let path: String

  func open() throws(Judgement) -> UnsafeMutableRawPointer {
    CheckMain.stage("loading the file")
    do throws(LoadError) { try ELFCheck.check(path) } catch { throw .failed(error.detail) }
    // dlopen searches the library path for a name without a slash.
    let place = path.hasPrefix("/") || path.hasPrefix("./") ? path : "./" + path
    guard let handle = dlopen(place, RTLD_NOW | RTLD_LOCAL) else {
      let text = dlerror().map { String(cString: $0) } ?? ""
      throw .failed(DynamicLinkerText.explain(text, place).detail)
    }
    return handle
  }

  func entry() throws(Judgement) -> lnd_entry_v1 {
    guard let symbol = dlsym(try open(), LND_ENTRY_SYMBOL) else {
      throw .failed("it does not export \(LND_ENTRY_SYMBOL)")
    }
    CheckMain.stage("the entry")
    // The header defines the symbol's type.
    return unsafeBitCast(symbol, to: lnd_entry_v1.self)
  }

  func load() throws(Judgement) -> Module {
    let entry = try entry()
    do throws(LoadError) {
      return try Module(entry: entry, info: HostIdentity.info)
    } catch {
      throw .failed(error.detail)
    }
  }
}

/// Resources of this process, from /proc.
enum OwnProcess {
  static var threads: Int { (try? Files.list("/proc/self/task").count) ?? 0 }

  /// Number of open descriptors, without the one that reads the directory.
  static var descriptors: Int { ((try? Files.list("/proc/self/fd").count) ?? 1) - 1 }

  static var hasChildren: Bool {
    var status: Int32 = 0
    return waitpid(-1, &status, WNOHANG) >= 0
  }

  /// Resident memory, bytes.
  static var resident: Int {
    let bytes = (try? Files.read("/proc/self/statm", limit: 4096)) ?? []
    let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
    return words.count > 1 ? (Int(words[1]) ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}

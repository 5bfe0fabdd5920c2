// SPDX-License-Identifier: Apache-2.0
//
// The fuzz targets as C functions, for Driver/main.c.

import LibC
import FuzzTargets

#if FUZZ_DAEMON
  import FuzzDaemonTargets
#endif
#if FUZZ_DAEMON
  private let targets = FuzzTarget.all + FuzzTarget.daemon
#else
  private let targets = FuzzTarget.all
#endif
// Set once before anything runs, on the one thread there is.
nonisolated(unsafe) private var selected = targets[0]

@c(fuzz_list)
func list() -> CInt {
  for target in targets { print(target.name, target.longest) }
  return 0
}

@c(fuzz_select)
func select(_ name: UnsafePointer<CChar>) -> CInt {
  guard let target = FuzzTarget.named(String(cString: name), in: targets) else { return 0 }
  selected = target
  return 1
}

@c(fuzz_one)
func one(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  selected.run(Array(UnsafeBufferPointer(start: data, count: size)))
  return 0
}

@c(fuzz_seeds)
func seeds(_ name: UnsafePointer<CChar>, _ folder: UnsafePointer<CChar>) -> CInt {
  guard select(name) != 0 else { return 2 }
  for (index, seed) in selected.seeds.enumerated() {
    guard let file = fopen("\(String(cString: folder))/seed-\(index)", "w") else { return 1 }
    _ = seed.withUnsafeBytes { fwrite($0.baseAddress, 1, $0.count, file) }
    fclose(file)
  }
  return 0
}

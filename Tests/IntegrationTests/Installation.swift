// SPDX-License-Identifier: Apache-2.0
//
// Where the built programs and the fixtures are.

import Foundation

enum Installation {
  /// The folder of the build products: LIMA_NETD_PRODUCTS, else where this test bundle is.
  static let products: String = {
    if let folder = ProcessInfo.processInfo.environment["LIMA_NETD_PRODUCTS"] { return folder }
    let executable =
      (try? FileManager.default.destinationOfSymbolicLink(
        atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(filePath: executable).deletingLastPathComponent().path
  }()

  static var daemon: String { products + "/lima-netd" }
  static var host: String { products + "/lima-netd-host" }
  static var tapHelper: String { products + "/lima-netd-tap" }

  /// The checkout.
  static let root: String = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  static var fixtures: String { root + "/Tests/IntegrationTests/Fixtures" }
  static var guest: String { root + "/.build/guest" }
}

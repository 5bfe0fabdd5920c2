// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The SDK is two directories up, in the source tree and when installed.
let package = Package(
  name: "lima-dns-tls",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "lima-dns-tls", type: .dynamic, targets: ["DNSTLSPlugin"])
  ],
  dependencies: [
    .package(name: "lima-netd-sdk", path: "../.."),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
  ],
  targets: [
    .target(
      name: "DNSTLSCore",
      dependencies: [
        .product(name: "LimaNetdSDK", package: "lima-netd-sdk"),
        .product(name: "PluginAPI", package: "lima-netd-sdk"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOTLS", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ]),
    // A target for the entry only, so that tests can import the rest without a second entry.
    .target(
      name: "DNSTLSPlugin", dependencies: ["DNSTLSCore"],
      linkerSettings: [
        // Exports the entry only; the file is never unmapped.
        .unsafeFlags(
          [
            "-Xlinker", "--version-script=\(Context.packageDirectory)/plugin.map",
            "-Xlinker", "-z", "-Xlinker", "nodelete",
            "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../swift",
          ], .when(platforms: [.linux]))
      ]),
    .testTarget(name: "DNSTLSTests", dependencies: ["DNSTLSCore"]),
  ],
  swiftLanguageModes: [.v6]
)

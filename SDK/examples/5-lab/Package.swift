// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The SDK is two directories up, in the source tree and when installed.
let package = Package(
  name: "lima-net-lab",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "lima-net-lab", type: .dynamic, targets: ["LabPlugin"])
  ],
  dependencies: [
    .package(name: "lima-netd-sdk", path: "../..")
  ],
  targets: [
    .target(
      name: "LabCore",
      dependencies: [
        .product(name: "LimaNetdSDK", package: "lima-netd-sdk"),
        .product(name: "PluginAPI", package: "lima-netd-sdk"),
      ]),
    // A target for the entry only, so that tests can import the rest without a second entry.
    .target(
      name: "LabPlugin", dependencies: ["LabCore"],
      linkerSettings: [
        // Exports the entry only; the file is never unmapped.
        .unsafeFlags(
          [
            "-Xlinker", "--version-script=\(Context.packageDirectory)/plugin.map",
            "-Xlinker", "-z", "-Xlinker", "nodelete",
            "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../swift",
          ], .when(platforms: [.linux]))
      ]),
    .testTarget(name: "LabTests", dependencies: ["LabCore"]),
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
  name: "lima-__WORD__-__NAME__",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "lima-__WORD__-__NAME__", type: .dynamic, targets: ["PluginEntry"])
  ],
  dependencies: [
    .package(name: "lima-netd-sdk", path: "sdk/lima-netd-sdk")
  ],
  targets: [
    .target(
      name: "PluginCore",
      dependencies: [
        .product(name: "LimaNetdSDK", package: "lima-netd-sdk"),
        .product(name: "PluginAPI", package: "lima-netd-sdk"),
      ]),
    // A target for the entry only, so that tests can import the rest without a second entry.
    .target(
      name: "PluginEntry", dependencies: ["PluginCore"],
      linkerSettings: [
        // Exports the entry only; the file is never unmapped. In the plugin directory it finds the Swift runtime installed
        // with lima-netd.
        .unsafeFlags(
          [
            "-Xlinker", "--version-script=\(Context.packageDirectory)/plugin.map",
            "-Xlinker", "-z", "-Xlinker", "nodelete",
            "-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/../../swift",
          ], .when(platforms: [.linux]))
      ]),
    .testTarget(name: "PluginTests", dependencies: ["PluginCore"]),
  ],
  swiftLanguageModes: [.v6]
)

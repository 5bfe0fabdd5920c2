// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

// The SDK alone: what a plugin in Swift needs, and nothing that lima-netd itself is made of.
//
//   .package(name: "lima-netd-sdk", path: "PREFIX/share/lima-netd/sdk")
let package = Package(
  name: "lima-netd-sdk",
  platforms: [.macOS(.v15)],
  products: [
    .library(name: "LimaNetdSDK", targets: ["LimaNetdSDK"]),
    .library(name: "PluginAPI", targets: ["PluginAPI"]),
  ],
  targets: [
    .systemLibrary(name: "PluginAPI", path: "PluginAPI"),
    .target(name: "JSON", path: "JSON"),
    .target(name: "LimaNetdSDK", dependencies: ["JSON", "PluginAPI"], path: "Swift"),
  ],
  swiftLanguageModes: [.v6]
)

// swift-tools-version: 6.3
import PackageDescription

// What the layers may see of each other (docs/architecture.md has the drawing):
//
//   lima-netd ──► Daemon ──► HostProtocol ◄── Host ◄── lima-netd-host
//                                              │
//   Plugins ──► Gateway, NetStack, DNSMessage, LimaNetdSDK ──► PluginAPI (C headers)
//   Host, NetStack, Plugins ──► Wire; NetStack knows no PluginAPI: Gateway knows both
//
// Daemon and Host know each other only by HostProtocol; plugins know neither.

/// The data path: exclusivity is proven by structure (one loop thread), and its
/// dynamic check costs 10-20 ns for each field of a class touched.
let dataPath: [SwiftSetting] = [
  .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
]

/// The TCP simulation runs thousands of seeds: seven times as many a second where generics are
/// specialised. Assertions stay, as in every debug build.
let simulated: [SwiftSetting] = [
  .unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))
]

/// Formats of packets are a few loads each, which must end up inside the functions that use them,
/// whatever module these are in: what is on the path of a packet is @inlinable, and the rest may be.
let inlined: [SwiftSetting] = [
  .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release))
]

/// What a network's process is made of imports neither Concurrency nor Regex
/// unasked: their libraries cost each process 1.7 MiB and a millisecond.
let lean: [SwiftSetting] = [
  .unsafeFlags([
    "-Xfrontend", "-disable-implicit-concurrency-module-import",
    "-Xfrontend", "-disable-implicit-string-processing-module-import",
  ])
]

/// Where an installed file finds the Swift runtime that was installed with it.
func runtime(at path: String) -> LinkerSetting {
  .unsafeFlags(["-Xlinker", "-rpath", "-Xlinker", "$ORIGIN/\(path)"], .when(platforms: [.linux]))
}

/// The supervisor, which loads no Swift library at run time, has the runtime inside: finding thousands
/// of symbols in a dozen libraries took each command a quarter of its start-up time, and 3 MiB.
let staticRuntime = LinkerSetting.unsafeFlags(
  ["-static-stdlib", "-l_FoundationCShims", "-l_FoundationCollections", "-use-ld=lld"],
  .when(platforms: [.linux], configuration: .release))

/// A plugin exports its entry and nothing else, and is never unmapped. Whoever loads one hashes the
/// file first: three quarters of it would be debug information.
let pluginLinking: [LinkerSetting] = [
  .unsafeFlags(
    ["-Xlinker", "--strip-debug"], .when(platforms: [.linux], configuration: .release)),
  .unsafeFlags(
    [
      "-Xlinker", "--version-script=\(Context.packageDirectory)/ld/plugin.map",
      "-Xlinker", "-z", "-Xlinker", "nodelete",
    ], .when(platforms: [.linux])),
  runtime(at: "../swift"),
]

/// The fuzzer itself needs libFuzzer, and every other executable would get it, too: Tests/Fuzz/run
/// asks for it; with or without the supervisor, whose libraries take long to instrument.
let fuzzing = Context.environment["LIMA_NETD_FUZZ"]
let fuzzers: [Target] = [
  .target(
    name: "FuzzRunner",
    dependencies: ["LibC", "FuzzTargets"] + (fuzzing == "all" ? ["FuzzDaemonTargets"] : []),
    path: "Tests/Fuzz/Runner", swiftSettings: fuzzing == "all" ? [.define("FUZZ_DAEMON")] : []),
  // gold fails on what the sanitizers leave behind.
  .executableTarget(
    name: "fuzz", dependencies: ["FuzzRunner"], path: "Tests/Fuzz/Driver",
    linkerSettings: [.unsafeFlags(["-use-ld=lld"], .when(platforms: [.linux]))]),
]

let package = Package(
  name: "lima-netd",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "lima-netd", targets: ["lima-netd"]),
    .executable(name: "lima-netd-host", targets: ["lima-netd-host"]),
    .library(name: "lima-net-slirp", type: .dynamic, targets: ["SlirpPlugin"]),
    .library(name: "lima-net-userv2", type: .dynamic, targets: ["UserV2Plugin"]),
    .library(name: "lima-net-socketvmnet", type: .dynamic, targets: ["SocketVMNetPlugin"]),
    .library(name: "lima-dns-hostdns", type: .dynamic, targets: ["HostDNSPlugin"]),
    // For plugins in Swift, in packages of their own: SDK/examples/3-dns-tls.
    .library(name: "LimaNetdSDK", targets: ["LimaNetdSDK"]),
    .library(name: "PluginAPI", targets: ["PluginAPI"]),
    // For other programs: Sources/NetStack/README.md.
    .library(name: "NetStack", targets: ["NetStack"]),
    .library(name: "Wire", targets: ["Wire"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    // Without its traits it needs FoundationEssentials only: no ICU in the supervisor's memory.
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
  ],
  targets: [
    // The contract and the system's libraries
    .systemLibrary(name: "PluginAPI"),
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CLtdl", providers: [.apt(["libltdl-dev"])]),

    // Shared ground
    .target(name: "CPlatform"),
    .target(name: "LibC", swiftSettings: lean),
    .target(
      name: "Platform", dependencies: ["CPlatform", "LibC"], swiftSettings: lean + dataPath),
    .target(name: "DNSMessage", swiftSettings: lean + dataPath),
    .target(
      name: "Wire", dependencies: ["CPlatform"],
      swiftSettings: lean + dataPath + simulated + inlined),
    .target(
      name: "NetStack", dependencies: ["LibC", "Platform", "CPlatform", "Wire"],
      exclude: ["README.md"],
      swiftSettings: lean + dataPath + simulated),
    .target(name: "JSON", path: "SDK/JSON", swiftSettings: lean),
    .target(name: "Patterns", swiftSettings: lean + dataPath),
    .target(
      name: "LimaNetdSDK", dependencies: ["JSON", "PluginAPI"], path: "SDK/Swift",
      swiftSettings: lean + dataPath),

    // The network-host
    .target(name: "JSONCoding", dependencies: ["JSON"], swiftSettings: lean),
    .target(
      name: "HostProtocol", dependencies: ["Platform", "JSONCoding"], swiftSettings: lean),
    .target(
      name: "Host",
      dependencies: [
        "LibC",
        "PluginAPI", "CPlatform", "Platform", "HostProtocol", "JSONCoding", "DNSMessage",
        "Patterns", "CLtdl", "Wire",
      ],
      swiftSettings: lean + dataPath),
    .executableTarget(
      name: "lima-netd-host", dependencies: ["Host"], swiftSettings: lean,
      linkerSettings: [runtime(at: "../../lib/lima-netd/swift")]),

    // The supervisor and the command line
    .target(
      name: "Daemon",
      dependencies: [
        "LibC",
        "Platform", "HostProtocol", "JSONCoding", "DNSMessage", "Patterns", "CYaml",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Hummingbird", package: "hummingbird"),
      ],
      // The supervisor's objects belong to its loop: their async functions run where they are called.
      swiftSettings: [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]),
    .executableTarget(
      name: "lima-netd",
      dependencies: [
        "LibC",
        "Daemon", "DNSMessage", "HostProtocol", "Platform", "PluginAPI",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      linkerSettings: [runtime(at: "../lib/lima-netd/swift"), staticRuntime]),

    // Plugins: the entry alone in one target, the rest in another that tests import
    .target(
      name: "Gateway",
      dependencies: [
        "LibC", "DNSMessage", "NetStack", "Wire", "LimaNetdSDK", "Platform", "PluginAPI",
      ],
      swiftSettings: lean + dataPath),
    .target(
      name: "UserV2Core",
      dependencies: ["Gateway", "NetStack", "Wire", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/userv2/Core", swiftSettings: lean + dataPath),
    .target(
      name: "UserV2Plugin", dependencies: ["UserV2Core", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/userv2/Entry", swiftSettings: lean,
      linkerSettings: pluginLinking),
    .target(
      name: "SlirpCore",
      dependencies: ["Gateway", "NetStack", "Wire", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/slirp/Core", swiftSettings: lean + dataPath),
    .target(
      name: "SlirpPlugin", dependencies: ["SlirpCore", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/slirp/Entry", swiftSettings: lean,
      linkerSettings: pluginLinking),
    .target(
      name: "SocketVMNetCore",
      dependencies: ["Gateway", "NetStack", "Wire", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/socketvmnet/Core", swiftSettings: lean + dataPath),
    .target(
      name: "SocketVMNetPlugin", dependencies: ["SocketVMNetCore", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/socketvmnet/Entry", swiftSettings: lean,
      linkerSettings: pluginLinking),
    .target(
      name: "HostDNSCore",
      dependencies: ["LibC", "DNSMessage", "LimaNetdSDK", "PluginAPI", "Platform"],
      path: "Plugins/hostdns/Core", swiftSettings: lean),
    .target(
      name: "HostDNSPlugin", dependencies: ["HostDNSCore", "LimaNetdSDK", "PluginAPI"],
      path: "Plugins/hostdns/Entry", swiftSettings: lean,
      linkerSettings: pluginLinking),

    // Examples
    .executableTarget(
      name: "netstack-echo", dependencies: ["NetStack", "Wire"], path: "Examples/TCPEcho"),

    // Benchmarks
    .target(name: "CAllocations", path: "Benchmarks/CAllocations"),
    .executableTarget(
      name: "DNSBenchmarks", dependencies: ["LibC", "CAllocations", "DNSMessage", "Host"],
      path: "Benchmarks/DNS", swiftSettings: lean + dataPath),

    // Tests
    .target(
      name: "TestSupport", dependencies: ["LibC", "Platform", "Wire"], path: "Tests/Support"),
    .target(name: "CPluginAPITests", dependencies: ["PluginAPI"], path: "Tests/CPluginAPITests"),
    .testTarget(
      name: "PluginAPITests", dependencies: ["PluginAPI", "CPluginAPITests", "Platform"]),
    .testTarget(
      name: "PlatformTests",
      dependencies: ["LibC", "Platform", "JSONCoding", "HostProtocol", "TestSupport"]),
    .testTarget(name: "PatternsTests", dependencies: ["Patterns"]),
    .testTarget(name: "DNSMessageTests", dependencies: ["DNSMessage", "TestSupport"]),
    .testTarget(name: "WireTests", dependencies: ["Wire", "TestSupport"]),
    .testTarget(
      name: "NetStackTests",
      dependencies: ["LibC", "NetStack", "Wire", "Platform", "TestSupport", "netstack-echo"],
      swiftSettings: simulated),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "LibC",
        "lima-netd", "Daemon", "DNSMessage", "HostProtocol", "Platform", "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .testTarget(
      name: "HostTests",
      dependencies: [
        "LibC",
        "Host", "DNSMessage", "HostProtocol", "JSONCoding", "Platform", "PluginAPI", "TestSupport",
        "Wire",
      ],
      exclude: ["Fixtures"]),
    .testTarget(
      name: "DaemonTests",
      dependencies: [
        "LibC", "Daemon", "Platform", "HostProtocol", "TestSupport", "fake-network-host",
      ]),
    .executableTarget(
      name: "fake-network-host", dependencies: ["Platform", "HostProtocol", "JSONCoding"],
      path: "Tests/FakeNetworkHost"),
    .testTarget(
      name: "HostDNSTests",
      dependencies: [
        "LibC",
        "HostDNSCore", "DNSMessage", "LimaNetdSDK", "PluginAPI", "Platform", "TestSupport",
      ]),
    .testTarget(
      name: "SlirpTests",
      dependencies: [
        "LibC", "SlirpCore", "NetStack", "Wire", "LimaNetdSDK", "Platform", "PluginAPI",
      ]),
    .testTarget(
      name: "GatewayTests",
      dependencies: ["Gateway", "NetStack", "Wire", "LimaNetdSDK", "PluginAPI"]),
    .testTarget(
      name: "UserV2Tests",
      dependencies: [
        "LibC",
        "UserV2Core", "DNSMessage", "Gateway", "NetStack", "Wire", "LimaNetdSDK", "Platform",
        "PluginAPI", "TestSupport",
      ]),
    .testTarget(
      name: "SocketVMNetTests",
      dependencies: ["LibC", "SocketVMNetCore", "NetStack", "Wire", "LimaNetdSDK", "PluginAPI"]),
    .testTarget(
      name: "IntegrationTests", dependencies: ["Platform", "HostProtocol", "TestSupport"],
      exclude: ["Fixtures"]),

    // What a packet costs: Benchmarks/micro
    .target(name: "CMicro", path: "Benchmarks/CMicro"),
    .executableTarget(
      name: "microbenchmarks",
      dependencies: [
        "LibC", "CMicro", "NetStack", "Wire", "Host", "JSONCoding", "Platform", "PluginAPI",
      ],
      path: "Benchmarks/Micro", swiftSettings: dataPath),

    // Fuzz targets, which the tests replay
    .target(
      name: "FuzzTargets",
      dependencies: [
        "LibC",
        "NetStack", "Host", "HostProtocol", "JSONCoding", "LimaNetdSDK", "Platform", "PluginAPI",
        "DNSMessage", "HostDNSCore", "Gateway", "Wire", "SocketVMNetCore",
      ],
      path: "Tests/Fuzz/Targets"),
    .target(
      name: "FuzzDaemonTargets", dependencies: ["FuzzTargets", "Daemon", "JSONCoding"],
      path: "Tests/Fuzz/Daemon"),
    .testTarget(
      name: "FuzzTests", dependencies: ["FuzzTargets", "FuzzDaemonTargets", "TestSupport"],
      path: "Tests/Fuzz/Replay"),
  ] + (fuzzing == nil ? [] : fuzzers),
  swiftLanguageModes: [.v6]
)

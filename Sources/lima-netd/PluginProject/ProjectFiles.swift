// SPDX-License-Identifier: Apache-2.0
//
// ProjectFiles: the files of a new plugin: the SDK's templates, and the part of the SDK that the language needs. All are
// read before anything is written.

import Platform

enum PluginKind: String, CaseIterable {
  case network, dns

  /// The part of the file name, as in lima-net-NAME.so.
  var word: String { self == .network ? "net" : "dns" }
}

enum PluginLanguage: String, CaseIterable {
  case c, swift, rust

  /// Folders of the SDK that a plugin in this language needs, and their destinations.
  var parts: [(from: String, to: String)] {
    switch self {
    case .c: [("PluginAPI/include", "sdk/include"), ("c", "sdk/include")]
    case .swift:
      [("PluginAPI", "sdk/lima-netd-sdk/PluginAPI")]
        + ["JSON", "Swift"].map { ($0, "sdk/lima-netd-sdk/" + $0) }
    case .rust: [("rust", "sdk/rust")]
    }
  }

  /// The same for single files.
  var files: [(from: String, to: String)] {
    self == .swift ? [("Package.swift", "sdk/lima-netd-sdk/Package.swift")] : []
  }
}

struct ProjectFiles {
  /// Path within the project, and contents.
  private(set) var files: [(path: String, bytes: [UInt8])] = []

  /// Files of templates and SDK have some KiB.
  private static let maximumFile = 1 << 20

  /// - Parameter name: a valid plugin name.
  init(name: String, kind: PluginKind, language: PluginLanguage, sdk: SDKFolder)
    throws(SystemError)
  {
    let both = "\(kind.rawValue)-\(language.rawValue)"
    let templates = ["common", kind.rawValue, language.rawValue, both]
    for template in templates {
      try add(sdk.path + "/templates/" + template, to: "") { path, bytes in
        (Self.visible(path), Self.filled(bytes, name, kind))
      }
    }
    try addSDK(language, sdk)
  }

  /// An example, with the part of the SDK that it needs in place of the way to the whole one.
  /// - Parameter folder: of `SDKFolder.examples`.
  init(example folder: String, sdk: SDKFolder) throws(SystemError) {
    let path = sdk.path + "/examples/" + folder
    let language: PluginLanguage =
      Files.exists(path + "/Package.swift")
      ? .swift : Files.exists(path + "/Cargo.toml") ? .rust : .c
    try add(path, to: "") { ($0, Self.standingAlone($0, $1)) }
    try addSDK(language, sdk)
  }

  /// By the file that says where the SDK is.
  private static func standingAlone(_ path: String, _ bytes: [UInt8]) -> [UInt8] {
    let changes: [(String, String)] =
      switch path {
      case "Cargo.toml": [("\"../../rust\"", "\"sdk/rust\"")]
      case "Package.swift":
        [
          ("path: \"../..\"", "path: \"sdk/lima-netd-sdk\""),
          ("two folders up, in the source tree and once installed.", "in the folder sdk."),
        ]
      case "Makefile":
        [
          ("$(shell pkg-config --variable=includedir lima-netd-plugin)", "sdk/include"),
          ("-I../../c", "-Isdk/include"),
        ]
      default: []
      }
    return changes.reduce(bytes) { replaced($0, $1.0, $1.1) }
  }

  private mutating func addSDK(_ language: PluginLanguage, _ sdk: SDKFolder) throws(SystemError) {
    for part in language.parts {
      try add(sdk.path + "/" + part.from, to: part.to) { ($0, $1) }
    }
    for file in language.files {
      let bytes = try Files.read(sdk.path + "/" + file.from, limit: Self.maximumFile)
      files.append((file.to, bytes))
    }
  }

  /// Adds all files below `folder`, except build products.
  private mutating func add(
    _ folder: String, to target: String, _ change: (String, [UInt8]) -> (String, [UInt8])
  ) throws(SystemError) {
    let names = try Files.list(folder) { name in
      name != "target" && name != "Cargo.lock" && name != ".build" && !name.hasSuffix(".so")
    }
    for name in names {
      let path = folder + "/" + name
      let inner = target.isEmpty ? name : target + "/" + name
      if try Files.info(path).kind == .directory {
        try add(path, to: inner, change)
      } else {
        files.append(change(inner, try Files.read(path, limit: Self.maximumFile)))
      }
    }
  }

  /// "dot-gitignore" becomes ".gitignore": the template's name must have no effect in the SDK.
  private static func visible(_ path: String) -> String {
    path.split(separator: "/").map { $0.hasPrefix("dot-") ? "." + $0.dropFirst(4) : String($0) }
      .joined(separator: "/")
  }

  /// Replaces __NAME__ by the plugin's name, __IDENT__ by the name as an identifier, and __WORD__ by the kind's word.
  private static func filled(_ bytes: [UInt8], _ name: String, _ kind: PluginKind) -> [UInt8] {
    let identifier = String(name.map { $0 == "-" ? "_" : $0 })
    return [("__NAME__", name), ("__IDENT__", identifier), ("__WORD__", kind.word)]
      .reduce(bytes) { replaced($0, $1.0, $1.1) }
  }

  private static func replaced(_ bytes: [UInt8], _ mark: String, _ text: String) -> [UInt8] {
    let mark = Array(mark.utf8)
    var result: [UInt8] = []
    var at = 0
    while at < bytes.count {
      if bytes[at] == mark[0], bytes[at...].starts(with: mark) {
        result += Array(text.utf8)
        at += mark.count
      } else {
        result.append(bytes[at])
        at += 1
      }
    }
    return result
  }

  /// Writes all files below `folder`, which is created.
  func write(to folder: String) throws(SystemError) {
    for file in files {
      let path = folder + "/" + file.path
      if let slash = path.lastIndex(of: "/") {
        try Files.makeDirectory(String(path[..<slash]), mode: 0o755)
      }
      try Files.write(file.bytes, to: path, mode: 0o644, followLinks: true)
    }
  }
}

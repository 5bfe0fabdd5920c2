// SPDX-License-Identifier: Apache-2.0

extension Configuration {
  /// `load` for a daemon: root's refuses a file that other users could change.
  static func loadTrusted(_ file: String, mayBeMissing: Bool) throws -> Configuration {
    if let problem = HomeTrust().problem(configuration: file) { throw ServeError.home(problem) }
    return try load(file, mayBeMissing: mayBeMissing).closingHostNetworks()
  }
}

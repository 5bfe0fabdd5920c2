// SPDX-License-Identifier: Apache-2.0
//
// LimaYAMLFile: finds the lima.yaml that is meant and reads it with the files that Lima merges into it. The instance is
// the directory that holds a lima.yaml; a file of another name is the template of an instance that has its name, the one
// it was given by where that is a link.

import Platform

package struct LimaYAMLFile: Sendable {
  package var identity: InstanceIdentity
  /// Absolute.
  package var path: String
  package var yaml: LimaYAML
  /// What the instance's `lima-version` says; nil without.
  package var limaVersion: String?

  static let limit = 1 << 20

  /// - Parameters:
  ///   - path: absolute; a lima.yaml, a template, or an instance's directory.
  ///   - name: of the instance, in place of the one that follows from the path.
  package init(path given: String, name: String? = nil, home: LimaHome) throws {
    func fail(_ text: String) -> LimaYAMLError {
      LimaYAMLError(problems: [LimaYAMLProblem(file: given, mark: nil, text: text)])
    }
    let parts = given.split(separator: "/").map(String.init)
    guard let last = parts.last else { throw fail("is no lima.yaml") }
    let file: String
    do throws(SystemError) {
      if try Files.info(given).kind == .directory {
        file = try Files.realPath(given) + "/" + Self.instanceFile
      } else if last == Self.instanceFile {
        // The directory is the instance, wherever its file is a link to.
        file = try Files.realPath("/" + parts.dropLast().joined(separator: "/")) + "/" + last
      } else {
        file = try Files.realPath(given)
      }
    } catch {
      throw fail("cannot be read: \(error.reason)")
    }
    let place = file.split(separator: "/").map(String.init)
    if place.last == Self.instanceFile, place.count > 1 {
      let directory = "/" + place.dropLast().joined(separator: "/")
      identity = InstanceIdentity(name: name ?? place[place.count - 2], directory: directory)
    } else {
      let own = name ?? Self.instanceName(ofFile: last)
      identity = InstanceIdentity(name: own, directory: Self.real(home.path) + "/" + own)
    }
    guard Identifier.isValid(identity.name) else {
      throw fail(ConfigProblem(.identifier(identity.name)).sentence + "; or give one with --name")
    }
    self.path = file
    let config = Self.real(home.path) + "/_config"
    yaml = LimaYAML.merged(
      default: try Self.layer(config + "/default.yaml") ?? LimaYAML(),
      instance: try Self.read(file),
      override: try Self.layer(config + "/override.yaml") ?? LimaYAML())
    limaVersion = (try? Files.read(identity.directory + "/lima-version", limit: 256)).map {
      String(String(decoding: $0, as: UTF8.self).filter { !$0.isWhitespace })
    }
  }

  private static let instanceFile = "lima.yaml"

  /// As Lima has it: in lower case, without `.yml` and then without `.yaml`. Other dots are part of the name:
  /// `Ubuntu-24.04.yaml` is `ubuntu-24.04`.
  package static func instanceName(ofFile name: String) -> String {
    var stem = name.lowercased()
    for suffix in [".yml", ".yaml"] where stem.hasSuffix(suffix) {
      stem.removeLast(suffix.count)
    }
    return stem
  }

  /// Lima resolves the links of a home that exists.
  private static func real(_ path: String) -> String { (try? Files.realPath(path)) ?? path }

  private static func layer(_ path: String) throws(LimaYAMLError) -> LimaYAML? {
    Files.exists(path) ? try read(path) : nil
  }

  private static func read(_ path: String) throws(LimaYAMLError) -> LimaYAML {
    let bytes: [UInt8]
    do throws(SystemError) {
      bytes = try Files.read(path, limit: limit)
    } catch {
      throw LimaYAMLError(problems: [
        LimaYAMLProblem(file: path, mark: nil, text: "cannot be read: \(error.reason)")
      ])
    }
    return try LimaYAMLDecoder.decode(bytes, file: path)
  }
}

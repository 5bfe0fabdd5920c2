// SPDX-License-Identifier: Apache-2.0
//
// Which instance a path means.

import LibC
import Platform
import Testing

@testable import Daemon

@Suite("The file of an instance", .timeLimit(.minutes(1)))
struct LimaYAMLFileTests {
  private let root: String
  private let home: LimaHome

  init() throws {
    let base = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(base)/lima-netd-test.XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp", .current) }
    root = try Files.realPath(String(cString: made))
    home = LimaHome(path: root + "/home")
    try Files.makeDirectory(home.path, mode: 0o700)
  }

  private func write(_ path: String, _ bytes: [UInt8] = Array("{}\n".utf8)) throws {
    try Files.makeDirectory(
      String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)]), mode: 0o700)
    try Files.write(bytes, to: path, mode: 0o600)
  }

  // Lima's InstNameFromYAMLPath.
  @Test(
    "a template's name is Lima's: in lower case, without .yml and .yaml alone",
    arguments: [
      ("ubuntu-24.04.yaml", "ubuntu-24.04"), ("Ubuntu-24.04.YAML", "ubuntu-24.04"),
      ("k8s.yml", "k8s"), ("a.yaml.yml", "a"), ("alpine-3.20.1", "alpine-3.20.1"),
      ("rocky.9.yaml", "rocky.9"), ("my_vm.yaml", "my_vm"),
    ])
  func names(file: String, name: String) throws {
    try write("\(root)/templates/\(file)")
    let read = try LimaYAMLFile(path: "\(root)/templates/\(file)", home: home)
    #expect(read.identity == InstanceIdentity(name: name, directory: "\(home.path)/\(name)"))
    #expect(
      InstanceIdentity(name: "ubuntu-24.04", directory: "/x").hostname == "lima-ubuntu-24-04")
  }

  @Test("a name that no instance can have is refused, and --name helps")
  func invalid() throws {
    for file in [".yaml", "a..b.yaml", "a b.yaml", "vm-.yaml"] {
      try write("\(root)/templates/\(file)")
      #expect(throws: LimaYAMLError.self) {
        try LimaYAMLFile(path: "\(root)/templates/\(file)", home: home)
      }
      let named = try LimaYAMLFile(path: "\(root)/templates/\(file)", name: "Web", home: home)
      #expect(named.identity.name == "Web")
    }
  }

  @Test("a link is a template of its own name, and a linked lima.yaml belongs to its directory")
  func links() throws {
    try write("\(root)/templates/ubuntu-24.04.yaml")
    #expect(symlink("\(root)/templates/ubuntu-24.04.yaml", "\(root)/templates/Default.yaml") == 0)
    let read = try LimaYAMLFile(path: "\(root)/templates/Default.yaml", home: home)
    #expect(read.identity.name == "default")
    try Files.makeDirectory("\(home.path)/vm.1", mode: 0o700)
    #expect(symlink("\(root)/templates/ubuntu-24.04.yaml", "\(home.path)/vm.1/lima.yaml") == 0)
    for path in ["\(home.path)/vm.1", "\(home.path)/vm.1/", "\(home.path)/vm.1/lima.yaml"] {
      let instance = try LimaYAMLFile(path: path, home: home)
      #expect(
        instance.identity == InstanceIdentity(name: "vm.1", directory: "\(home.path)/vm.1"))
      #expect(instance.path == "\(home.path)/vm.1/lima.yaml")
    }
  }

  @Test("a byte order mark in any of the merged files changes nothing")
  func byteOrderMark() throws {
    let mark: [UInt8] = [0xef, 0xbb, 0xbf]
    try write("\(home.path)/vm/lima.yaml", mark + Array("vmType: qemu\r\n".utf8))
    try write("\(home.path)/_config/default.yaml", mark)
    try write("\(home.path)/_config/override.yaml", mark + Array("ssh: {localPort: 2222}\n".utf8))
    let read = try LimaYAMLFile(path: "\(home.path)/vm", home: home)
    #expect(read.yaml.vmType == "qemu" && read.yaml.sshLocalPort == 2222)
  }

  @Test("a path with a NUL in it is refused")
  func nul() throws {
    try write("\(home.path)/vm/lima.yaml")
    #expect(throws: LimaYAMLError.self) {
      try LimaYAMLFile(path: "\(home.path)/vm/lima.yaml\0.txt", home: home)
    }
  }
}

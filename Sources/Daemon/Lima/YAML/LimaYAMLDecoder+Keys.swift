// SPDX-License-Identifier: Apache-2.0
//
// Keys of a lima.yaml without an effect on networking that are probably mistakes. Lima warns of unknown fields when it
// reads the file (pkg/limayaml/load.go); a file that is only read by this daemon would get no warning otherwise.

import Platform

extension LimaYAMLDecoder {
  /// The keys read here.
  private static let ownKeys = [
    "vmType", "arch", "plain", "ssh", "dns", "param", "hostResolver", "networks", "portForwards",
  ]
  /// Lima's other keys. Later versions may have more, so that only a key similar to one read here is taken for a mistake.
  private static let otherKeys: Set<String> = [
    "minimumLimaVersion", "base", "vmOpts", "os", "images", "cpuType", "cpus", "memory", "disk",
    "additionalDisks", "mounts", "mountTypesUnsupported", "mountType", "mountInotify", "firmware",
    "audio", "video", "provision", "upgradePackages", "containerd", "guestInstallPrefix", "probes",
    "copyToHost", "message", "env", "useHostResolver", "propagateProxyEnv", "caCerts", "rosetta",
    "timezone", "nestedVirtualization", "user", "network",
  ]

  static let sshKeys = [
    "localPort", "loadDotSSHPubKeys", "forwardAgent", "forwardX11", "forwardX11Trusted",
    "overVsock",
  ]
  static let resolverKeys = ["enabled", "ipv6", "hosts"]
  static let networkKeys = [
    "lima", "socket", "vzNAT", "macAddress", "interface", "metric", "vnl", "switchPort",
  ]
  static let forwardKeys = [
    "guestIP", "guestIPMustBeZero", "guestPort", "guestPortRange", "guestSocket", "hostIP",
    "hostPort", "hostPortRange", "hostSocket", "proto", "reverse", "ignore", "static",
  ]

  /// Checks the top-level keys.
  mutating func checkTop(_ root: YAMLNode) {
    guard case .mapping(let members) = root.content else { return }
    for member in members where !Self.ownKeys.contains(member.key) {
      if member.key == "base", !member.value.isNull {
        warn(
          "field `base` is not read here: networks and port forwards of the templates it names are not known. "
            + "`limactl template copy --embed-all` makes one file of them",
          member)
      } else if !Self.otherKeys.contains(member.key),
        let meant = Identifier.nearest(to: member.key, among: Self.ownKeys)
      {
        warn("field `\(member.key)` is unknown: did you mean `\(meant)`?", member)
      }
    }
  }

  /// Checks the keys of a mapping all of whose keys are known.
  mutating func check(_ node: YAMLNode, _ field: String, _ known: [String]) {
    guard case .mapping(let members) = node.content else { return }
    for member in members where !known.contains(member.key) {
      let hint =
        Identifier.nearest(to: member.key, among: known).map { "did you mean `\($0)`?" }
        ?? Plural.there(known)
      warn("field `\(field).\(member.key)` is unknown: \(hint)", member)
    }
  }

  private mutating func warn(_ text: String, _ member: YAMLNode.Member) {
    warnings.append(LimaYAMLProblem(file: file, mark: member.keyMark, text: text))
  }
}

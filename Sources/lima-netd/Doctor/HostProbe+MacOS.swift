// SPDX-License-Identifier: Apache-2.0
//
// Facts on macOS: socket_vmnet, its sudoers file, the application firewall.

import Daemon
import Platform

#if os(macOS)
  extension HostProbe {
    func probeMacOS(_ facts: inout HostFacts) {
      let paths =
        (try? Configuration.load(home.configFile, mayBeMissing: true))?.paths
        ?? NetworksPaths()
      facts.vmnet.path = paths.socketVMNet
      facts.vmnet.isInstalled = !paths.socketVMNet.isEmpty && Files.exists(paths.socketVMNet)
      facts.vmnet.flaw = paths.flaw(daemonGroup: AccountNames.group(ofUser: "daemon") ?? 1)
      if facts.vmnet.isInstalled, facts.vmnet.flaw == nil {
        facts.vmnet.sudoersProblem = sudoersProblem(paths)
      }
      facts.vmnet.firewall = ask(["--getglobalstate"])
      facts.vmnet.bootpd = ask(["--getappblocked", Diagnosis.bootpdPath])
    }

    private func sudoersProblem(_ paths: NetworksPaths) -> String? {
      do {
        let text = try SudoersText(home: home, platform: .macos, user: nil)
        let check = SudoersCheck(text: text.text, comparison: .equal, command: "lima-netd")
        return check.problem(
          file: paths.sudoers,
          read: { (path) throws(SystemError) in try Files.read(path, limit: 1 << 20) },
          sudoWorks: { text.sudoAsksNoPassword() })
      } catch {
        return "\(error)"
      }
    }

    private func ask(_ words: [String]) -> String? {
      guard
        let result = try? BoundedCommand.run(
          Diagnosis.firewallTool, words, environment: Self.environment, seconds: Self.patience),
        result.succeeded
      else { return nil }
      return result.output
    }
  }
#endif

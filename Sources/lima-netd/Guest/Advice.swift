// SPDX-License-Identifier: Apache-2.0
//
// Advice: messages with remedies for operations that the kernel refused to `exec` and `attach`. Some systems restrict
// /dev/net/tun, user namespaces or ping sockets.

import FoundationEssentials
import Platform

#if os(Linux)

  import LibC

  struct Advice {
    /// Reads a file of /proc/sys; nil if it does not exist. Replaced in tests.
    var read: (String) -> String? = { path in
      (try? String(contentsOfFile: path, encoding: .utf8)).map {
        String($0.prefix { $0 != "\n" })
      }
    }

    /// The TAP could not be created.
    func tap(_ error: SystemError, name: String) -> CommandFailure {
      let device = Tap.device
      switch (error.call, error.errno.rawValue) {
      case ("open", ENOENT), ("open", ENODEV), ("open", ENXIO):
        return CommandFailure(
          "\(device) is missing, and guests of this kind are TAP devices (\(error.errno.name))",
          remedy: """
            Load the driver:  sudo modprobe tun
            In a container, start it with the device (docker run --device \(device)), or make it:
              sudo mkdir -p /dev/net && sudo mknod -m 0666 \(device) c 10 200
            """)
      case ("open", EACCES):
        return CommandFailure(
          "\(device) may not be opened by this user (\(error.errno.name))",
          remedy: "Open it to all users, as most distributions do:  sudo chmod 0666 \(device)")
      case ("open", EPERM):
        return CommandFailure(
          "\(device) is closed to this container by its device rules (\(error.errno.name))",
          remedy: "Start the container with the device, as:  docker run --device \(device) ...")
      case ("TUNSETIFF", EPERM):
        return CommandFailure(
          "The kernel does not let this process make the network interface \(name) (EPERM)",
          remedy: userNamespaceRemedy()
            ?? "It needs CAP_NET_ADMIN in the network namespace: run it as the namespace's owner or root."
        )
      case ("TUNSETIFF", EBUSY):
        return CommandFailure(
          "The network interface \(name) exists already and is in use (EBUSY)",
          remedy: "Give another name:  --tap NAME")
      case ("TUNSETIFF", _) where isOtherFile(device):
        return CommandFailure(
          "\(device) is not the tun driver's device, but something else (\(error.errno.name))",
          remedy:
            "Make it anew:  sudo rm \(device) && sudo mknod -m 0666 \(device) c 10 200 && sudo modprobe tun"
        )
      case (_, EMFILE), (_, ENFILE):
        return CommandFailure(error)
      default:
        return CommandFailure(
          "The network interface \(name) could not be made: \(error)",
          remedy: "The kernel may have said more:  sudo dmesg | tail")
      }
    }

    /// Anything but the character device 10, 200.
    private func isOtherFile(_ path: String) -> Bool {
      var status = stat()
      return stat(path, &status) == 0
        && (status.st_mode & S_IFMT != S_IFCHR || status.st_rdev != 10 << 8 | 200)
    }

    /// unshare(2) or the id maps refused.
    func namespace(_ error: SystemError) -> CommandFailure {
      let message = "This user may not make the namespaces a guest needs: \(error)"
      if error.errno.rawValue == EINVAL {
        return CommandFailure(
          message, remedy: "The kernel may lack user namespaces (CONFIG_USER_NS): run it as root.")
      }
      return CommandFailure(
        message,
        remedy: userNamespaceRemedy() ?? """
          User namespaces are on, so a sandbox is in the way: in a container, allow unshare
          (docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined), or run as root.
          """)
    }

    /// The setting that forbids user namespaces, nil when none does.
    private func userNamespaceRemedy() -> String? {
      for (path, closed, key, open) in [
        (
          "/proc/sys/kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone", "1"
        ),
        ("/proc/sys/user/max_user_namespaces", "0", "user.max_user_namespaces", "15000"),
        (
          "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
          "kernel.apparmor_restrict_unprivileged_userns", "0"
        ),
      ] where read(path) == closed {
        return """
          User namespaces are closed to users by \(key)=\(closed). Open them:
            sudo sysctl -w \(key)=\(open)
          """
      }
      return nil
    }

    /// A note about ping if it will not work; nil otherwise. `range` is that of the host's namespace, where the daemon
    /// opens ping sockets.
    func pingNote(command: String, groups: [UInt32]) -> String? {
      guard command.split(separator: "/").last?.hasPrefix("ping") == true,
        let text = read("/proc/sys/net/ipv4/ping_group_range")
      else { return nil }
      let bounds = text.split(whereSeparator: \.isWhitespace).compactMap { UInt32($0) }
      guard bounds.count == 2, !groups.contains(where: { $0 >= bounds[0] && $0 <= bounds[1] })
      else {
        return nil
      }
      return """
        lima-netd: only the gateway answers ping here: net.ipv4.ping_group_range is closed to this user's groups.
        Open it:  sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"
        """
    }
  }

#endif

// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the home, its daemon, and what the kernel lets a user have.

import Platform
import Testing

@testable import Daemon

extension DiagnosisTests {
  static let home: [Case] = [
    Case(.configuration, .problem, "line 3", "${EDITOR:-vi} /h/.lima/_config/networks.yaml") {
      $0.configuration.error = "line 3: bad"
    },
    Case(.home, .problem, "too long", "export LIMA_HOME=/u/.lima", modes: DoctorModes.all) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 120))
    },
    Case(
      .home, .problem, "in this home a name has at most 36 letters",
      "lima-netd network edit --lima-home /h/.lima", modes: ["shared"]
    ) {
      $0.configuration.networks = $0.configuration.networks.filter { $0.name == "shared" }
      $0.configuration.networks[0].name += String(repeating: "d", count: 50)
    },
    Case(
      .home, .problem, "default_unixgram.sock", "export LIMA_HOME=/u/.lima",
      modes: DoctorModes.all
    ) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 69))
    },
    Case(
      .home, .problem, "too long",
      "sudo install -d -m 700 -o \"$(id -u)\" /srv/lima && export LIMA_HOME=/srv/lima"
    ) {
      $0.home = LimaHome(path: "/h/" + String(repeating: "x", count: 120))
      $0.user.usualHome = $0.home
    },
    Case(.daemon, .warning, "left by a daemon that is gone", "rm -f /h/.lima/a '/h/b c'") {
      $0.serving = .leftOver(["/h/.lima/a", "/h/b c"])
    },
    Case(.daemon, .problem, "process 77 holds", "kill 77") {
      $0.serving = .silent(pid: 77, isStopped: false)
    },
    Case(.daemon, .problem, "process 77 holds /h/.lima and is stopped", "kill -CONT 77") {
      $0.serving = .silent(pid: 77, isStopped: true)
    },
    Case(
      .daemon, .problem, "a regular file is there",
      "ls -ld /h/.lima/_networks /h/.lima/_networks/lima-netd.sock"
    ) {
      $0.serving = .notOurs("a regular file is there, not a socket")
    },
    Case(.daemon, .ok, "process 5", nil) { $0.serving = .daemon(pid: 5) },
    Case(.runtime, .problem, "/x/lima-netd-host is missing", nil) {
      $0.runtime = .missing("/x/lima-netd-host")
    },
    Case(.runtime, .problem, "libltdl.so.7", "sudo apt-get install libltdl7") {
      $0.runtime = .failed("error while loading shared libraries: libltdl.so.7: cannot open")
    },
    Case(.runtime, .problem, "did not answer", "/x/h inspect /dev/null") {
      $0.runtime = .silent("/x/h")
    },
    Case(
      .descriptors, .warning, "1024 descriptors only", "sudo prlimit --nofile=65536:65536 --pid $$"
    ) {
      $0.kernel.descriptors = 1024
    },
    Case(
      .descriptors, .problem, "64 descriptors only", "sudo prlimit --nofile=65536:65536 --pid $$"
    ) {
      $0.kernel.descriptors = 64
    },
    Case(
      .inotify, .warning, "max_user_instances is 0",
      "sudo sysctl -w fs.inotify.max_user_instances=1024"
    ) { $0.kernel.inotify = HostFacts.Inotify(works: false, instances: 0) },
    Case(
      .inotify, .warning, "max_user_watches is 8",
      "sudo sysctl -w fs.inotify.max_user_watches=65536"
    ) { $0.kernel.inotify = HostFacts.Inotify(works: true, watches: 8) },
    Case(.tun, .problem, "is not there", "sudo modprobe tun", modes: DoctorModes.withTap) {
      $0.kernel.tun = .missing
    },
    Case(
      .tun, .warning, "`exec`, `attach` and `tap`", "sudo modprobe tun",
      modes: DoctorModes.withoutTap
    ) {
      $0.kernel.tun = .missing
    },
    Case(
      .tun, .problem, "Permission denied", "sudo chmod 666 /dev/net/tun", modes: DoctorModes.withTap
    ) {
      $0.kernel.tun = .refused("Permission denied")
    },
    Case(
      .userNamespaces, .warning, "max_user_namespaces is 0",
      "sudo sysctl -w user.max_user_namespaces=15000"
    ) { $0.kernel.namespaces = HostFacts.Namespaces(works: false, maximum: 0, clone: 1) },
    Case(
      .userNamespaces, .warning, "unprivileged_userns_clone is 0",
      "sudo sysctl -w kernel.unprivileged_userns_clone=1"
    ) { $0.kernel.namespaces = HostFacts.Namespaces(works: false, maximum: 9, clone: 0) },
    Case(
      .userNamespaces, .warning, "AppArmor",
      "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    ) { $0.kernel.namespaces = HostFacts.Namespaces(works: false, maximum: 9, apparmor: 1) },
    Case(.userNamespaces, .warning, "cannot be made here", nil) {
      $0.kernel.namespaces = HostFacts.Namespaces(works: false, maximum: 9)
    },
    Case(
      .pingGroupRange, .warning, "\"1 0\"",
      "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'",
      modes: DoctorModes.translating
    ) { $0.kernel.pingGroups = nil },
    Case(
      .pingGroupRange, .warning, "\"5 6\"",
      "sudo sysctl -w net.ipv4.ping_group_range='0 2147483647'"
    ) { $0.kernel.pingGroups = 5...6 },
    Case(
      .resolver, .warning, "names no nameserver",
      "sudo sh -c 'echo nameserver 9.9.9.9 >>/etc/resolv.conf'"
    ) { $0.resolver = .servers(0) },
    Case(.resolver, .warning, "cannot be read (x)", "ls -lL /etc/resolv.conf") {
      $0.resolver = .unreadable("x")
    },
  ]
}

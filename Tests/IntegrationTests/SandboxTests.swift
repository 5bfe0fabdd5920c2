// SPDX-License-Identifier: Apache-2.0
//
// `exec --sandbox`: what its command can do no more, beside what it still can, as root and as an ordinary user.

import Foundation
import Testing

extension EndToEnd {
  @Suite(.timeLimit(.minutes(2))) struct SandboxTests {
    @Test(arguments: [false, true])
    func
      `a sandboxed command has the network, and neither capabilities, processes, sockets nor files to write`(
        asNobody: Bool
      ) throws
    {
      try require(.tap, .program("python3"))
      if asNobody { try require(.nobody, .tapForAll) }
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      if asNobody {
        _ = try run("chown", ["-R", "nobody", daemon.home])
      }
      let script = """
        import ctypes, os, socket, subprocess
        def lines(path, key): return [l for l in open(path) if l.startswith(key)]
        print('caps', *[l.split()[1] for l in lines('/proc/self/status', 'Cap')][1:4])
        print('nnp', lines('/proc/self/status', 'NoNewPrivs')[0].split()[1])
        print('processes', len([d for d in os.listdir('/proc') if d.isdigit()]))
        print('home', os.path.exists('\(daemon.home)'))
        print('empty', *[os.listdir(d) for d in ('/tmp', '/var/tmp', '/dev/shm')])
        def fails(what, body):
          try: body(); print(what, 'WORKS')
          except OSError as e: print(what, 'refused')
        fails('write', lambda: open('/usr/made', 'w'))
        fails('write-etc', lambda: open('/etc/made', 'w'))
        fails('sysctl', lambda: open('/proc/sys/kernel/hostname', 'w').write('x'))
        fails('unshare', lambda: subprocess.run(['unshare', '-U', 'true'], check=True)
              if subprocess.run(['unshare', '-U', 'true'], stderr=subprocess.DEVNULL).returncode == 0
              else (_ for _ in ()).throw(OSError()))
        libc = ctypes.CDLL(None, use_errno=True)
        print('mount', libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))
        fails('raw', lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        open('/tmp/own', 'w').write('x'); print('tmp', os.listdir('/tmp'))
        print('net', sorted(os.listdir('/sys/class/net')))
        print('ping', subprocess.run(['ping', '-c1', '-W2', '192.168.5.2'], stdout=subprocess.DEVNULL).returncode)
        print('secret', os.environ.get('SECRET'), open('/etc/resolv.conf').read().count('192.168.5'))
        """
      let file = daemon.home + ".py"
      try script.write(toFile: file, atomically: true, encoding: .utf8)
      defer { try? FileManager.default.removeItem(atPath: file) }
      let words =
        ["exec", "default", "--sandbox", "--lima-home", daemon.home, "--"]
        + ["python3", "-c", script]
      let result =
        asNobody
        ? try run(
          "setpriv",
          ["--reuid", "nobody", "--clear-groups", "env", "SECRET=1", Installation.daemon] + words)
        : try run("env", ["SECRET=1", Installation.daemon] + words)
      let zero = "0000000000000000"
      #expect(
        result.output == """
          caps \(zero) \(zero) \(zero)
          nnp 1
          processes 2
          home False
          empty [] [] []
          write refused
          write-etc refused
          sysctl refused
          unshare refused
          mount -1
          raw refused
          tmp ['own']
          net ['eth0', 'lo']
          ping 0
          secret None 1

          """, "\(result)")
    }

    @Test func `its end is the command's, and takes along what that left behind`() throws {
      try require(.tap)
      let daemon = try TestDaemon(start: false)
      defer { daemon.stop() }
      func sandboxed(_ script: String) throws -> Int32 {
        try run(
          Installation.daemon,
          [
            "exec", "default", "--sandbox", "--lima-home", daemon.home, "--", "sh", "-c", script,
          ]
        ).status
      }
      #expect(try sandboxed("exit 7") == 7)
      #expect(try sandboxed("kill -TERM $$") == 128 + 15)
      let mark = "\(987_000 + Int.random(in: 0..<999)).25"
      #expect(try sandboxed("sleep \(mark) & exit 3") == 3)
      #expect(try run("pgrep", ["-f", "sleep \(mark)"]).output == "")
      let missing = try run(
        Installation.daemon,
        ["exec", "default", "--sandbox", "--lima-home", daemon.home, "--", "no-such"])
      #expect(missing.status == 127 && missing.errors.contains("no-such: no such command"))
    }
  }
}

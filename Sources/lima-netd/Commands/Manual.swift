// SPDX-License-Identifier: Apache-2.0
//
// manual: writes the man pages of section 1, for packaging (Scripts/man-pages).

import ArgumentParser
import Daemon
import Platform

struct Manual: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the man pages of all commands into a folder.", shouldDisplay: false)

  @Argument(help: "The folder.", completion: .directory)
  var folder: String

  func run() throws {
    try Files.makeDirectory(folder, mode: 0o755)
    for page in try Self.pages() {
      try Files.write(
        Array(page.text.utf8), to: folder + "/" + page.file, mode: 0o644, followLinks: true)
    }
  }

  static func pages() throws -> [ManualPage] {
    let tool = try JSONText.decode(ToolDescription.self, from: Array(LimaNetd._dumpHelp().utf8))
    return ManualPage.pages(of: tool.command, version: LimaNetd.version, tail: tail)
  }

  private static let tail = """
    .SH EXIT STATUS
    0 for success, 1 for what could not be done, 64 for words that are no command. Commands that say otherwise have it on
    their page.
    .SH ENVIRONMENT
    .TP
    \\fBLIMA_HOME\\fR
    The Lima home, where no \\fB\\-\\-lima\\-home\\fR is given; \\fI~/.lima\\fR where neither is.
    .TP
    \\fBLISTEN_FDS\\fR, \\fBLISTEN_PID\\fR, \\fBNOTIFY_SOCKET\\fR
    What a service manager that started the daemon sets: \\fBsd_listen_fds\\fR(3), \\fBsd_notify\\fR(3).
    .SH FILES
    All in the Lima home.
    .TP
    \\fI_config/networks.yaml\\fR
    The networks; \\fBlima\\-netd.yaml\\fR(5).
    .TP
    \\fI_networks/NAME/NAME_qemu.sock\\fR
    Where a QEMU connects (\\-netdev stream).
    .TP
    \\fI_networks/NAME/NAME_unixgram.sock\\fR
    Where vfkit and krunkit do.
    .TP
    \\fI_networks/NAME/NAME_fd.sock\\fR
    Where Lima passes a descriptor.
    .TP
    \\fI_networks/NAME/NAME_ep.sock\\fR
    The HTTP API of gvproxy.
    .TP
    \\fI_networks/lima\\-netd.sock\\fR
    The control API: HTTP with JSON.
    .TP
    \\fI_networks/lima\\-netd.log\\fR, \\fI_networks/NAME/NAME.log\\fR
    The logs; \\fBlima\\-netd\\-logs\\fR(1).
    .SH SIGNALS
    .TP
    \\fBSIGTERM\\fR, \\fBSIGINT\\fR
    Stop all networks and end.
    .TP
    \\fBSIGHUP\\fR
    Read networks.yaml, the plugin folders and the host's resolver configuration again.
    """
}

// SPDX-License-Identifier: Apache-2.0
//
// A guest's interface, as reports have it.

extension InterfaceReport {
  package init(_ interface: InstanceInterface, mode: String?) {
    id = interface.id
    name = interface.name
    mac = interface.mac
    metric = interface.metric
    network = interface.network
    self.mode = mode
    vzNAT = interface.attachment == .vzNAT
    switch interface.attachment {
    case .network(_, let sockets):
      qemu = sockets.qemu
      fd = sockets.fd
      unixgram = sockets.unixgram
    case .socket(let path): qemu = path
    case .vzNAT: break
    }
  }
}

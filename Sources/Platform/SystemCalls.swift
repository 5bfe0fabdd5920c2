// SPDX-License-Identifier: Apache-2.0
//
// libc functions under other names, for use inside types whose members have the same names; identical on glibc and
// Darwin.

import LibC

typealias Address = UnsafePointer<sockaddr>
typealias MutableAddress = UnsafeMutablePointer<sockaddr>
typealias AddressLength = UnsafeMutablePointer<socklen_t>

@inline(__always)
func systemConnect(_ fd: Int32, _ address: Address?, _ length: socklen_t) -> Int32 {
  connect(fd, address, length)
}

@inline(__always)
func systemBind(_ fd: Int32, _ address: Address?, _ length: socklen_t) -> Int32 {
  bind(fd, address, length)
}

@inline(__always)
func systemListen(_ fd: Int32, _ backlog: Int32) -> Int32 { listen(fd, backlog) }

@inline(__always)
func systemShutdown(_ fd: Int32, _ how: Int32) -> Int32 { shutdown(fd, how) }

@inline(__always)
func systemClose(_ fd: Int32) -> Int32 { close(fd) }

@inline(__always)
func systemPipe(_ ends: UnsafeMutablePointer<Int32>) -> Int32 { pipe(ends) }

@inline(__always)
func systemKill(_ pid: Int32, _ signal: Int32) -> Int32 { kill(pid, signal) }

@inline(__always)
func systemSend(_ fd: Int32, _ bytes: UnsafeRawPointer?, _ length: Int, _ flags: Int32) -> Int {
  send(fd, bytes, length, flags)
}

@inline(__always)
func systemRecv(_ fd: Int32, _ bytes: UnsafeMutableRawPointer?, _ length: Int, _ flags: Int32)
  -> Int
{ recv(fd, bytes, length, flags) }

@inline(__always)
func systemSendmsg(_ fd: Int32, _ message: UnsafePointer<msghdr>?, _ flags: Int32) -> Int {
  sendmsg(fd, message, flags)
}

@inline(__always)
func systemRecvmsg(_ fd: Int32, _ message: UnsafeMutablePointer<msghdr>?, _ flags: Int32) -> Int {
  recvmsg(fd, message, flags)
}

@inline(__always)
func systemGetsockopt(
  _ fd: Int32, _ level: Int32, _ option: Int32, _ value: UnsafeMutableRawPointer?,
  _ length: AddressLength?
) -> Int32 { getsockopt(fd, level, option, value, length) }

@inline(__always)
func systemSetsockopt(
  _ fd: Int32, _ level: Int32, _ option: Int32, _ value: UnsafeRawPointer?, _ length: socklen_t
) -> Int32 { setsockopt(fd, level, option, value, length) }

@inline(__always)
func systemGetsockname(_ fd: Int32, _ address: MutableAddress?, _ length: AddressLength?) -> Int32 {
  getsockname(fd, address, length)
}

@inline(__always)
func systemGetpeername(_ fd: Int32, _ address: MutableAddress?, _ length: AddressLength?) -> Int32 {
  getpeername(fd, address, length)
}

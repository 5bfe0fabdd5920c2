// SPDX-License-Identifier: Apache-2.0
/// The C library of the system, under one name: glibc or musl on Linux, libSystem on Darwin.
///
/// It adds nothing of its own. What differs between the systems stands in Platform, one file a system.
#if canImport(Glibc)
  @_exported import Glibc
#elseif canImport(Musl)
  @_exported import Musl
#elseif canImport(Darwin)
  @_exported import Darwin
#else
  #error("lima-netd needs a C library: Glibc, Musl or Darwin")
#endif

// SPDX-License-Identifier: Apache-2.0
//
// macOS: the nameservers of the first connected network service, in the order of the user's settings (System Settings
// > Network > Set Service Order), as Lima passes them to its guests when the host's resolver is off. Not compiled on
// other systems; not yet run on macOS.

#if os(macOS)
  import CoreFoundation
  import SystemConfiguration

  enum ServiceOrder {
    /// Empty when no service is connected or none has a nameserver.
    static func servers() -> [ServerAddress] {
      guard let store = SCDynamicStoreCreate(nil, text("lima-netd"), nil, nil) else { return [] }
      for service in strings(store, "Setup:/Network/Global/IPv4", "ServiceOrder") {
        guard !strings(store, "State:/Network/Service/\(service)/IPv4", "Addresses").isEmpty else {
          continue
        }
        // The user's settings take precedence over DHCP's.
        for source in ["Setup", "State"] {
          let addresses = strings(
            store, "\(source):/Network/Service/\(service)/DNS", "ServerAddresses")
          if !addresses.isEmpty { return addresses.compactMap { ServerAddress($0) } }
        }
      }
      return []
    }

    private static func text(_ string: String) -> CFString {
      CFStringCreateWithCString(nil, string, CFStringBuiltInEncodings.UTF8.rawValue)
    }

    /// A list of strings in a dictionary of the store.
    private static func strings(
      _ store: SCDynamicStore, _ path: String, _ member: String
    ) -> [String] {
      guard let value = SCDynamicStoreCopyValue(store, text(path)),
        CFGetTypeID(value) == CFDictionaryGetTypeID()
      else { return [] }
      let dictionary = unsafeDowncast(value, to: CFDictionary.self)
      guard
        let list = CFDictionaryGetValue(
          dictionary, Unmanaged.passUnretained(text(member)).toOpaque())
      else { return [] }
      let array = Unmanaged<CFArray>.fromOpaque(list).takeUnretainedValue()
      guard CFGetTypeID(array) == CFArrayGetTypeID() else { return [] }
      return (0..<CFArrayGetCount(array)).compactMap { index in
        guard let item = CFArrayGetValueAtIndex(array, index) else { return nil }
        let string = Unmanaged<CFString>.fromOpaque(item).takeUnretainedValue()
        var buffer = [CChar](repeating: 0, count: 256)
        guard CFGetTypeID(string) == CFStringGetTypeID(),
          CFStringGetCString(string, &buffer, 256, CFStringBuiltInEncodings.UTF8.rawValue)
        else { return nil }
        return String(
          decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      }
    }
  }
#endif

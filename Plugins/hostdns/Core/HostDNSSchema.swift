// SPDX-License-Identifier: Apache-2.0

/// The contents of schema.json in the parent folder; a test compares the two.
package let hostDNSSchema = #"""
  {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "hostdns",
    "type": "object",
    "additionalProperties": false,
    "properties": {
      "timeout": {
        "description": "Seconds before the next nameserver is asked, too; without it what resolvConf says, or 2",
        "type": "integer", "minimum": 1, "maximum": 30
      },
      "attempts": {
        "description": "How often each nameserver is tried; without it what resolvConf says, or 2",
        "type": "integer", "minimum": 1, "maximum": 5
      },
      "resolver": {
        "description": "system: addresses as the host's resolver finds them; forward: everything goes to the host's nameservers, hosts file and nsswitch.conf do not count",
        "enum": ["system", "forward"], "default": "system"
      },
      "servers": {
        "description": "Nameservers to ask for everything, instead of the host's resolver: 192.0.2.53, 192.0.2.53:5353, 2001:db8::53 or [2001:db8::53]:5353",
        "type": "array", "items": { "type": "string" }, "maxItems": 8, "default": []
      },
      "fallback": {
        "description": "Nameservers to ask when resolvConf lists none; []: nobody; without it 127.0.0.1, as the C library does",
        "type": "array", "items": { "type": "string" }, "maxItems": 8
      },
      "ipv6": {
        "description": "Answer AAAA questions; false: every name has no IPv6 address",
        "type": "boolean", "default": true
      },
      "workers": {
        "description": "Threads that wait for the C library, at most",
        "type": "integer", "minimum": 1, "maximum": 64, "default": 8
      },
      "ttl": {
        "description": "Seconds a guest may keep an address of the host's resolver, which does not tell the real time",
        "type": "integer", "minimum": 0, "maximum": 86400, "default": 5
      },
      "resolvConf": {
        "description": "File that lists the host's nameservers",
        "type": "string", "pattern": "^/", "default": "/etc/resolv.conf", "x-path": "read"
      }
    }
  }
  """#

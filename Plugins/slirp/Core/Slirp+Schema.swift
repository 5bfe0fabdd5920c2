// SPDX-License-Identifier: Apache-2.0
//
// schema.json for the descriptor, because a plugin is one file. A test compares the two.

import Gateway

extension Slirp {
  /// JSON Schema of the options.
  package static let schema = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Options of the slirp network plugin",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "gateway": {
          "type": "string",
          "format": "ipv4",
          "default": "192.168.5.2",
          "description": "The guest's router. It stands for the host: its loopback, unless hostLoopback is false."
        },
        "netmask": {
          "type": "string",
          "format": "ipv4",
          "default": "255.255.255.0",
          "description": "Size of the guest's network, 255.0.0.0 to 255.255.255.248."
        },
        "address": {
          "type": "string",
          "format": "ipv4",
          "description": "The guest's own address. Default: the 15th of the network, 192.168.5.15."
        },
        "dns": {
          "type": "string",
          "format": "ipv4",
          "description": "The address whose port 53 is the network's DNS. May be the gateway's. Default: the 3rd of the network, 192.168.5.3."
        },
        "mtu": {
          "type": "integer",
          "minimum": 576,
          "maximum": 65520,
          "default": 1500,
          "description": "Bytes of an IP packet on links that don't say it themselves, as a virtual machine's."
        },
        "hostLoopback": {
          "type": "boolean",
          "default": true,
          "description": "Whether the gateway's ports are those of the host's loopback."
        },
        "forwardSource": {
          "type": "string",
          "enum": ["client", "gateway"],
          "default": "client",
          "description": "Under which address guests see the clients of forwards that are not on this host: their own, or the gateway's, for guests whose default route is another interface."
        },
        "search": {
          "type": "array",
          "maxItems": 32,
          "items": { "type": "string", "minLength": 1, "maxLength": 253 },
          "description": "Search domains for guests, in order. Default: the host's, as in its resolv.conf."
        },
        "leaseSeconds": {
          "type": "integer",
          "minimum": 120,
          "maximum": 4294967295,
          "default": 86400,
          "description": "How long a DHCP lease lasts."
        },
    \#(IPv6Options.schema),
    \#(GatewayOptions.boundsSchema)
      }
    }
    """#
}

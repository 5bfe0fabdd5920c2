// SPDX-License-Identifier: Apache-2.0
//
// schema.json for the descriptor, because a plugin is one file. A test compares the two.

import Gateway

extension UserV2 {
  /// JSON Schema of the options.
  package static let schema = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Options of the userv2 network plugin",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "gateway": {
          "type": "string",
          "format": "ipv4",
          "default": "192.168.104.1",
          "description": "An address of the network, as Lima writes it: with the netmask it says which network. The router is another, see router."
        },
        "netmask": {
          "type": "string",
          "format": "ipv4",
          "default": "255.255.255.0",
          "description": "Size of the network, 255.0.0.0 to 255.255.255.248."
        },
        "dhcpEnd": {
          "type": "string",
          "format": "ipv4",
          "description": "The last address that DHCP gives. Default: the last of the network. At most 4096 are given."
        },
        "router": {
          "type": "string",
          "format": "ipv4",
          "description": "Router, DNS and DHCP server, which stands for the host. Default: the 2nd of the network, where Lima's guests expect it."
        },
        "reservations": {
          "type": "object",
          "maxProperties": 4096,
          "additionalProperties": { "type": "string", "format": "ipv4" },
          "description": "Addresses of certain guests by Ethernet address, as 52:55:55:12:34:56: 192.168.104.10."
        },
        "domain": {
          "type": "string",
          "minLength": 1,
          "maxLength": 190,
          "default": "internal",
          "description": "What the guests' names end in: lima-vm.internal."
        },
        "mtu": {
          "type": "integer",
          "minimum": 576,
          "maximum": 65520,
          "default": 1500,
          "description": "Bytes of an IP packet, the same for all guests of the network."
        },
        "hostLoopback": {
          "type": "boolean",
          "default": true,
          "description": "Whether the router's ports are those of the host's loopback."
        },
        "forwardSource": {
          "type": "string",
          "enum": ["client", "gateway"],
          "default": "client",
          "description": "Under which address guests see the clients of forwards that are not on this host: their own, or the router's, for guests whose default route is another interface."
        },
        "search": {
          "type": "array",
          "maxItems": 32,
          "items": { "type": "string", "minLength": 1, "maxLength": 253 },
          "description": "Search domains for guests, in order, before the guests' own domain. Default: the host's, as in its resolv.conf."
        },
        "leaseSeconds": {
          "type": "integer",
          "minimum": 120,
          "maximum": 4294967295,
          "default": 3600,
          "description": "How long a DHCP lease lasts."
        },
        "portSecurity": {
          "type": "object",
          "additionalProperties": false,
          "default": {},
          "description": "What a guest's link may say: an Ethernet address is the link's on which it was heard first, for as long as that is there; IP addresses are those of the network; what goes to all is bounded.",
          "properties": {
            "enabled": {
              "type": "boolean",
              "default": true,
              "description": "Whether any of it holds. What DHCP has given to a guest is nobody else's all the same."
            },
            "routers": {
              "type": "array",
              "maxItems": 256,
              "items": { "type": "string", "minLength": 1, "maxLength": 64 },
              "description": "Guests that may send from addresses outside the network, as those that forward for others do: names of exec and attach, or Ethernet addresses."
            },
            "floodsPerSecond": {
              "type": "integer",
              "minimum": 10,
              "maximum": 1000000,
              "default": 1000,
              "description": "Frames of one guest to all others (broadcast, multicast, addresses that nobody has), after a quarter as many at once. The network itself hears what is beyond."
            }
          }
        },
    \#(IPv6Options.schema),
    \#(GatewayOptions.boundsSchema)
      }
    }
    """#
}

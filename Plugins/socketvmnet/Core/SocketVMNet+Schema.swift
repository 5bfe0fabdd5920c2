// SPDX-License-Identifier: Apache-2.0
//
// schema.json for the descriptors, one for each mode, because a plugin is one file. A test compares them. The
// supervisor creates the TAP from the same options, so every default that it needs is here.

import Gateway

extension SharedNetwork {
  package static let sharedSchema = schema(
    title: "Options of the socketvmnet network plugin, mode shared", gateway: "192.168.105.1")
  package static let hostSchema = schema(
    title: "Options of the socketvmnet network plugin, mode host", gateway: "192.168.106.1")

  private static func schema(title: String, gateway: String) -> String {
    #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "\#(title)",
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "gateway": {
          "type": "string",
          "format": "ipv4",
          "default": "\#(gateway)",
          "description": "The host's own address on the network: router, DNS and DHCP server of its guests."
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
          "description": "The last address that DHCP gives; the first is the one after the gateway. Default: the last of the network. At most 4096 are given."
        },
        "reservations": {
          "type": "object",
          "maxProperties": 4096,
          "additionalProperties": { "type": "string", "format": "ipv4" },
          "description": "Addresses of certain guests by Ethernet address, as 52:55:55:12:34:56: 192.168.105.10."
        },
        "domain": {
          "type": "string",
          "minLength": 1,
          "maxLength": 190,
          "default": "internal",
          "description": "What the guests' names end in: lima-vm.internal."
        },
        "hostDNS": {
          "type": "boolean",
          "default": false,
          "description": "Whether guests' questions go to a DNS server that the host runs at the gateway's address, instead of the network's own DNS."
        },
        "mtu": {
          "type": "integer",
          "minimum": 576,
          "maximum": 65520,
          "default": 1500,
          "description": "Bytes of an IP packet, of the host's interface and of all guests."
        },
        "search": {
          "type": "array",
          "maxItems": 32,
          "items": { "type": "string", "minLength": 1, "maxLength": 253 },
          "description": "Search domains for guests, in order, before the guests' own domain. Default: the host's, as in its resolv.conf."
        },
    \#(PeerNetwork.schemaOfSocket),
        "leaseSeconds": {
          "type": "integer",
          "minimum": 120,
          "maximum": 4294967295,
          "default": 86400,
          "description": "How long a DHCP lease lasts."
        },
    \#(IPv6Options.schemaOfHost),
    \#(GatewayOptions.boundsSchema)
      }
    }
    """#
  }
}

extension BridgedNetwork {
  package static let schema = #"""
    {
      "$schema": "https://json-schema.org/draft/2020-12/schema",
      "title": "Options of the socketvmnet network plugin, mode bridged",
      "type": "object",
      "additionalProperties": false,
      "properties": {
    \#(PeerNetwork.schemaOfSocket),
        "interface": {
          "type": "string",
          "minLength": 1,
          "maxLength": 15,
          "description": "A bridge that the administrator made, of Linux or of Open vSwitch, as br0: the network's TAP becomes one of its ports, with its MTU. Or a wired network card, as eth0: each guest gets a macvtap on it, by which the host itself is not reached."
        },
        "ifaceId": {
          "type": "string",
          "minLength": 1,
          "maxLength": 255,
          "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*$",
          "description": "For a bridge of Open vSwitch: external_ids:iface-id of the network's port, by which OVN knows the logical port that it is."
        },
        "limits": {
          "type": "object",
          "additionalProperties": false,
          "description": "Of each guest; what is not here has no limit.",
          "properties": {
    \#(GatewayOptions.linkLimits)
          }
        }
      }
    }
    """#
}

// SPDX-License-Identifier: Apache-2.0
//
// schema.json as the descriptor carries it: a plugin is one file. A test holds the two
// against each other.

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
        "search": {
          "type": "array",
          "maxItems": 32,
          "items": { "type": "string", "minLength": 1, "maxLength": 253 },
          "description": "Search domains for guests, in order."
        },
        "leaseSeconds": {
          "type": "integer",
          "minimum": 120,
          "maximum": 4294967295,
          "default": 86400,
          "description": "How long a DHCP lease lasts."
        },
        "tcp": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "maxConnections": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "default": 131072,
              "description": "TCP connections of all guests together."
            },
            "bufferMiB": {
              "type": "integer",
              "minimum": 8,
              "maximum": 65536,
              "default": 256,
              "description": "Memory for data on its way in TCP connections, of all guests together. Used only while data waits."
            },
            "keepAliveSeconds": {
              "type": "integer",
              "minimum": 10,
              "maximum": 86400,
              "default": 7200,
              "description": "Idle time after which a guest's side of a connection is probed."
            }
          }
        },
        "udp": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "maxFlows": {
              "type": "integer",
              "minimum": 1,
              "maximum": 100000,
              "default": 4096,
              "description": "Guests' UDP ports in use, of all guests together: one host socket each. The one idle for longest makes room."
            },
            "idleSeconds": {
              "type": "integer",
              "minimum": 10,
              "maximum": 86400,
              "default": 300,
              "description": "Idle time after which a UDP port is forgotten. RFC 4787 asks for 120 at least."
            }
          }
        },
        "icmp": {
          "type": "object",
          "additionalProperties": false,
          "properties": {
            "maxFlows": {
              "type": "integer",
              "minimum": 1,
              "maximum": 65536,
              "default": 256,
              "description": "Programs pinging at the same time, of all guests together."
            },
            "idleSeconds": {
              "type": "integer",
              "minimum": 10,
              "maximum": 3600,
              "default": 60,
              "description": "Idle time after which a ping is forgotten."
            }
          }
        }
      }
    }
    """#
}

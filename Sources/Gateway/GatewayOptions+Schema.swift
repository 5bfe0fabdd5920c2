// SPDX-License-Identifier: Apache-2.0
//
// The part of a gateway plugin's schema.json that bounds its engines.

extension GatewayOptions {
  /// Members of `properties` in a JSON Schema, without a comma behind the last.
  package static let boundsSchema = #"""
        "egress": {
          "description": "What guests reach beyond the network: a preset (internet: nothing of the host's own networks; none; all), or rules. Link-local addresses, as of a cloud's metadata, are denied unless a rule or all allows them. The network's DNS, forwards and other guests are not meant.",
          "anyOf": [
            { "type": "string", "enum": ["internet", "none", "all"] },
            {
              "type": "object",
              "additionalProperties": false,
              "properties": {
                "preset": {
                  "type": "string",
                  "enum": ["internet", "none", "all"],
                  "description": "What holds behind the rules."
                },
                "default": {
                  "type": "string",
                  "enum": ["allow", "deny"],
                  "description": "Of what no rule decides, in place of the preset's. Default: allow."
                },
                "host": {
                  "type": "boolean",
                  "description": "Whether the host itself is reached: all of its addresses, and its loopback by the gateway's. False comes before all rules. Default: true; with default: deny, internet and none false."
                },
                "rules": {
                  "type": "array",
                  "maxItems": 256,
                  "description": "The first that matches decides.",
                  "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                      "allow": {
                        "description": "Networks, addresses, any, or special (all that is not the Internet's).",
                        "anyOf": [
                          { "type": "string" },
                          { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 256 }
                        ]
                      },
                      "deny": {
                        "description": "The same.",
                        "anyOf": [
                          { "type": "string" },
                          { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": 256 }
                        ]
                      },
                      "protocol": {
                        "description": "tcp, udp, icmp, or several. Default: every one.",
                        "anyOf": [
                          { "type": "string", "enum": ["tcp", "udp", "icmp"] },
                          { "type": "array", "items": { "type": "string", "enum": ["tcp", "udp", "icmp"] } }
                        ]
                      },
                      "ports": {
                        "description": "Ports of the destination, as 443 or 8000-8100, or several. Default: every one.",
                        "anyOf": [
                          { "type": "integer", "minimum": 1, "maximum": 65535 },
                          { "type": "string" },
                          { "type": "array", "items": { "type": ["integer", "string"] }, "maxItems": 256 }
                        ]
                      }
                    }
                  }
                }
              }
            }
          ]
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
    """#
}

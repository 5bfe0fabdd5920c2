// SPDX-License-Identifier: Apache-2.0
//
// The part of a gateway plugin's schema.json with the limits of its engines.

extension GatewayOptions {
  /// Members of `limits` that the host enforces for every plugin.
  package static let linkLimits = #"""
            "fromGuest": {
              "type": "object",
              "additionalProperties": false,
              "description": "What it sends, to whom it may be. Its sender waits, as on a slower line.",
              "properties": {
                "bytesPerSecond": {
                  "type": "integer",
                  "minimum": 1000,
                  "maximum": 1000000000000,
                  "description": "Bytes of Ethernet frames."
                },
                "packetsPerSecond": {
                  "type": "integer",
                  "minimum": 10,
                  "maximum": 1000000000,
                  "description": "Packets; a super-frame is as many as it is cut into."
                }
              }
            },
            "toGuest": {
              "type": "object",
              "additionalProperties": false,
              "description": "What it is sent, from whom it may be.",
              "properties": {
                "bytesPerSecond": {
                  "type": "integer",
                  "minimum": 1000,
                  "maximum": 1000000000000,
                  "description": "Bytes of Ethernet frames."
                },
                "packetsPerSecond": {
                  "type": "integer",
                  "minimum": 10,
                  "maximum": 1000000000,
                  "description": "Packets; a super-frame is as many as it is cut into."
                }
              }
            }
    """#

  /// Members of `properties` in a JSON Schema, without a trailing comma. `egress` has no type here: errors from
  /// EgressOptions name the place and the reason, while a schema of alternatives would only report that none matches.
  package static let boundsSchema = #"""
        "closedNetworks": {
          "type": "array",
          "maxItems": 1024,
          "items": { "type": "string", "minLength": 4, "maxLength": 64 },
          "description": "Networks of the host's that guests do not reach unless a rule of egress allows it, each with the host's address in it, which they do reach: 192.168.106.1/24. Default: the daemon's own networks of mode host."
        },
        "egress": {
          "description": "What guests reach beyond the network: a preset (internet: nothing of the host's own networks; none; all), or an object with preset, default (allow, deny), host (true, false) and rules (allow or deny with networks; ports; protocol), of which the first that matches decides. Link-local addresses, as of a cloud's metadata, are denied unless a rule or all allows them. The network's DNS, forwards and other guests are not meant."
        },
        "limits": {
          "type": "object",
          "additionalProperties": false,
          "description": "Of each guest; what is not here has no limit.",
          "properties": {
    \#(linkLimits),
            "newFlowsPerSecond": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "description": "Connections, UDP ports and pings that it begins, after a second's worth at once. What is beyond is not answered."
            },
            "connections": {
              "type": "integer",
              "minimum": 1,
              "maximum": 1000000,
              "description": "Connections that it began, UDP ports and pings at a time. Another connection is reset; of UDP ports and pings the one idle for longest makes room."
            }
          }
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
            },
            "congestion": {
              "type": "string",
              "enum": ["reno", "cubic"],
              "default": "reno",
              "description": "Which congestion control limits what is under way to a guest once something was lost: reno (RFC 5681), or cubic (RFC 9438) for guests whose link is a network of its own, with round trips of 5 ms or more."
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

// SPDX-License-Identifier: Apache-2.0
//
// The same tables as SDK/abi/1.*/layout.inc, as Swift sees the imported structs.

import PluginAPI

struct FieldLayout: Hashable {
  let type: String
  let field: String
  let offset: Int?
}

let structSizes: [String: Int] = [
  "lnd_endpoint": MemoryLayout<lnd_endpoint>.size,
  "lnd_slice": MemoryLayout<lnd_slice>.size,
  "lnd_frame": MemoryLayout<lnd_frame>.size,
  "lnd_port_info": MemoryLayout<lnd_port_info>.size,
  "lnd_fd_event": MemoryLayout<lnd_fd_event>.size,
  "lnd_host": MemoryLayout<lnd_host>.size,
  "lnd_plugin": MemoryLayout<lnd_plugin>.size,
  "lnd_module": MemoryLayout<lnd_module>.size,
  "lnd_host_info": MemoryLayout<lnd_host_info>.size,
  "lnd_instance_config": MemoryLayout<lnd_instance_config>.size,
  "lnd_instance_ops": MemoryLayout<lnd_instance_ops>.size,
  "lnd_network_ops": MemoryLayout<lnd_network_ops>.size,
  "lnd_dns_query": MemoryLayout<lnd_dns_query>.size,
  "lnd_dns_ops": MemoryLayout<lnd_dns_ops>.size,
  "lnd_host_dns": MemoryLayout<lnd_host_dns>.size,
  "lnd_host_dns_cache": MemoryLayout<lnd_host_dns_cache>.size,
  "lnd_host_dns_next": MemoryLayout<lnd_host_dns_next>.size,
  "lnd_host_names": MemoryLayout<lnd_host_names>.size,
  "lnd_forward": MemoryLayout<lnd_forward>.size,
  "lnd_plugin_forward": MemoryLayout<lnd_plugin_forward>.size,
  "lnd_connect": MemoryLayout<lnd_connect>.size,
  "lnd_plugin_connect": MemoryLayout<lnd_plugin_connect>.size,
  "lnd_lease_request": MemoryLayout<lnd_lease_request>.size,
  "lnd_plugin_lease": MemoryLayout<lnd_plugin_lease>.size,
  "lnd_plugin_guests": MemoryLayout<lnd_plugin_guests>.size,
  "lnd_guard_binding": MemoryLayout<lnd_guard_binding>.size,
  "lnd_host_guard": MemoryLayout<lnd_host_guard>.size,
  "lnd_uplink": MemoryLayout<lnd_uplink>.size,
  "lnd_host_uplink": MemoryLayout<lnd_host_uplink>.size,
  "lnd_tap": MemoryLayout<lnd_tap>.size,
  "lnd_host_tap": MemoryLayout<lnd_host_tap>.size,
  "lnd_host_loopcheck": MemoryLayout<lnd_host_loopcheck>.size,
]

let fieldLayouts: [FieldLayout] = [
  FieldLayout(
    type: "lnd_endpoint", field: "address", offset: MemoryLayout<lnd_endpoint>.offset(of: \.address)
  ),
  FieldLayout(
    type: "lnd_endpoint", field: "port", offset: MemoryLayout<lnd_endpoint>.offset(of: \.port)),
  FieldLayout(
    type: "lnd_endpoint", field: "reserved",
    offset: MemoryLayout<lnd_endpoint>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_endpoint", field: "scope", offset: MemoryLayout<lnd_endpoint>.offset(of: \.scope)),
  FieldLayout(type: "lnd_slice", field: "data", offset: MemoryLayout<lnd_slice>.offset(of: \.data)),
  FieldLayout(
    type: "lnd_slice", field: "length", offset: MemoryLayout<lnd_slice>.offset(of: \.length)),
  FieldLayout(type: "lnd_frame", field: "data", offset: MemoryLayout<lnd_frame>.offset(of: \.data)),
  FieldLayout(
    type: "lnd_frame", field: "length", offset: MemoryLayout<lnd_frame>.offset(of: \.length)),
  FieldLayout(
    type: "lnd_frame", field: "slices", offset: MemoryLayout<lnd_frame>.offset(of: \.slices)),
  FieldLayout(
    type: "lnd_frame", field: "flags", offset: MemoryLayout<lnd_frame>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_frame", field: "gso_type", offset: MemoryLayout<lnd_frame>.offset(of: \.gso_type)),
  FieldLayout(
    type: "lnd_frame", field: "gso_size", offset: MemoryLayout<lnd_frame>.offset(of: \.gso_size)),
  FieldLayout(
    type: "lnd_frame", field: "csum_start", offset: MemoryLayout<lnd_frame>.offset(of: \.csum_start)
  ),
  FieldLayout(
    type: "lnd_frame", field: "csum_offset",
    offset: MemoryLayout<lnd_frame>.offset(of: \.csum_offset)),
  FieldLayout(
    type: "lnd_frame", field: "hdr_len", offset: MemoryLayout<lnd_frame>.offset(of: \.hdr_len)),
  FieldLayout(
    type: "lnd_frame", field: "reserved", offset: MemoryLayout<lnd_frame>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_frame", field: "source", offset: MemoryLayout<lnd_frame>.offset(of: \.source)),
  FieldLayout(type: "lnd_frame", field: "mark", offset: MemoryLayout<lnd_frame>.offset(of: \.mark)),
  FieldLayout(type: "lnd_frame", field: "hash", offset: MemoryLayout<lnd_frame>.offset(of: \.hash)),
  FieldLayout(
    type: "lnd_frame", field: "lease", offset: MemoryLayout<lnd_frame>.offset(of: \.lease)),
  FieldLayout(
    type: "lnd_frame", field: "reserved1", offset: MemoryLayout<lnd_frame>.offset(of: \.reserved1)),
  FieldLayout(
    type: "lnd_port_info", field: "size", offset: MemoryLayout<lnd_port_info>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_port_info", field: "flags", offset: MemoryLayout<lnd_port_info>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_port_info", field: "port", offset: MemoryLayout<lnd_port_info>.offset(of: \.port)),
  FieldLayout(
    type: "lnd_port_info", field: "link", offset: MemoryLayout<lnd_port_info>.offset(of: \.link)),
  FieldLayout(
    type: "lnd_port_info", field: "kind", offset: MemoryLayout<lnd_port_info>.offset(of: \.kind)),
  FieldLayout(
    type: "lnd_port_info", field: "mtu", offset: MemoryLayout<lnd_port_info>.offset(of: \.mtu)),
  FieldLayout(
    type: "lnd_port_info", field: "offloads",
    offset: MemoryLayout<lnd_port_info>.offset(of: \.offloads)),
  FieldLayout(
    type: "lnd_port_info", field: "queues", offset: MemoryLayout<lnd_port_info>.offset(of: \.queues)
  ),
  FieldLayout(
    type: "lnd_port_info", field: "mac", offset: MemoryLayout<lnd_port_info>.offset(of: \.mac)),
  FieldLayout(
    type: "lnd_port_info", field: "reserved",
    offset: MemoryLayout<lnd_port_info>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_port_info", field: "name", offset: MemoryLayout<lnd_port_info>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_fd_event", field: "user", offset: MemoryLayout<lnd_fd_event>.offset(of: \.user)),
  FieldLayout(
    type: "lnd_fd_event", field: "events", offset: MemoryLayout<lnd_fd_event>.offset(of: \.events)),
  FieldLayout(
    type: "lnd_fd_event", field: "reserved",
    offset: MemoryLayout<lnd_fd_event>.offset(of: \.reserved)),
  FieldLayout(type: "lnd_host", field: "size", offset: MemoryLayout<lnd_host>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host", field: "abi_minor", offset: MemoryLayout<lnd_host>.offset(of: \.abi_minor)),
  FieldLayout(type: "lnd_host", field: "ctx", offset: MemoryLayout<lnd_host>.offset(of: \.ctx)),
  FieldLayout(type: "lnd_host", field: "log", offset: MemoryLayout<lnd_host>.offset(of: \.log)),
  FieldLayout(type: "lnd_host", field: "wake", offset: MemoryLayout<lnd_host>.offset(of: \.wake)),
  FieldLayout(
    type: "lnd_host", field: "now_ns", offset: MemoryLayout<lnd_host>.offset(of: \.now_ns)),
  FieldLayout(
    type: "lnd_host", field: "fd_add", offset: MemoryLayout<lnd_host>.offset(of: \.fd_add)),
  FieldLayout(
    type: "lnd_host", field: "fd_modify", offset: MemoryLayout<lnd_host>.offset(of: \.fd_modify)),
  FieldLayout(
    type: "lnd_host", field: "fd_remove", offset: MemoryLayout<lnd_host>.offset(of: \.fd_remove)),
  FieldLayout(
    type: "lnd_host", field: "timer_at", offset: MemoryLayout<lnd_host>.offset(of: \.timer_at)),
  FieldLayout(
    type: "lnd_host", field: "timer_cancel",
    offset: MemoryLayout<lnd_host>.offset(of: \.timer_cancel)),
  FieldLayout(type: "lnd_host", field: "send", offset: MemoryLayout<lnd_host>.offset(of: \.send)),
  FieldLayout(type: "lnd_host", field: "fail", offset: MemoryLayout<lnd_host>.offset(of: \.fail)),
  FieldLayout(
    type: "lnd_host", field: "op_done", offset: MemoryLayout<lnd_host>.offset(of: \.op_done)),
  FieldLayout(type: "lnd_host", field: "write", offset: MemoryLayout<lnd_host>.offset(of: \.write)),
  FieldLayout(
    type: "lnd_host", field: "get_extension",
    offset: MemoryLayout<lnd_host>.offset(of: \.get_extension)),
  FieldLayout(
    type: "lnd_host", field: "report", offset: MemoryLayout<lnd_host>.offset(of: \.report)),
  FieldLayout(
    type: "lnd_plugin", field: "size", offset: MemoryLayout<lnd_plugin>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_plugin", field: "flags", offset: MemoryLayout<lnd_plugin>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_plugin", field: "kind", offset: MemoryLayout<lnd_plugin>.offset(of: \.kind)),
  FieldLayout(
    type: "lnd_plugin", field: "name", offset: MemoryLayout<lnd_plugin>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_plugin", field: "summary", offset: MemoryLayout<lnd_plugin>.offset(of: \.summary)),
  FieldLayout(
    type: "lnd_plugin", field: "modes", offset: MemoryLayout<lnd_plugin>.offset(of: \.modes)),
  FieldLayout(
    type: "lnd_plugin", field: "options_schema",
    offset: MemoryLayout<lnd_plugin>.offset(of: \.options_schema)),
  FieldLayout(
    type: "lnd_plugin", field: "user", offset: MemoryLayout<lnd_plugin>.offset(of: \.user)),
  FieldLayout(type: "lnd_plugin", field: "ops", offset: MemoryLayout<lnd_plugin>.offset(of: \.ops)),
  FieldLayout(
    type: "lnd_plugin", field: "get_extension",
    offset: MemoryLayout<lnd_plugin>.offset(of: \.get_extension)),
  FieldLayout(
    type: "lnd_module", field: "size", offset: MemoryLayout<lnd_module>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_module", field: "abi_minor", offset: MemoryLayout<lnd_module>.offset(of: \.abi_minor)
  ),
  FieldLayout(type: "lnd_module", field: "id", offset: MemoryLayout<lnd_module>.offset(of: \.id)),
  FieldLayout(
    type: "lnd_module", field: "version", offset: MemoryLayout<lnd_module>.offset(of: \.version)),
  FieldLayout(
    type: "lnd_module", field: "license", offset: MemoryLayout<lnd_module>.offset(of: \.license)),
  FieldLayout(type: "lnd_module", field: "url", offset: MemoryLayout<lnd_module>.offset(of: \.url)),
  FieldLayout(
    type: "lnd_module", field: "plugin_count",
    offset: MemoryLayout<lnd_module>.offset(of: \.plugin_count)),
  FieldLayout(
    type: "lnd_module", field: "flags", offset: MemoryLayout<lnd_module>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_module", field: "plugins", offset: MemoryLayout<lnd_module>.offset(of: \.plugins)),
  FieldLayout(
    type: "lnd_module", field: "requires_host",
    offset: MemoryLayout<lnd_module>.offset(of: \.requires_host)),
  FieldLayout(
    type: "lnd_host_info", field: "size", offset: MemoryLayout<lnd_host_info>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_info", field: "abi_minor",
    offset: MemoryLayout<lnd_host_info>.offset(of: \.abi_minor)),
  FieldLayout(
    type: "lnd_host_info", field: "name", offset: MemoryLayout<lnd_host_info>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_host_info", field: "version",
    offset: MemoryLayout<lnd_host_info>.offset(of: \.version)),
  FieldLayout(
    type: "lnd_instance_config", field: "size",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_instance_config", field: "flags",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_instance_config", field: "network",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.network)),
  FieldLayout(
    type: "lnd_instance_config", field: "mode",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.mode)),
  FieldLayout(
    type: "lnd_instance_config", field: "instance",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.instance)),
  FieldLayout(
    type: "lnd_instance_config", field: "options",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.options)),
  FieldLayout(
    type: "lnd_instance_config", field: "options_length",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.options_length)),
  FieldLayout(
    type: "lnd_instance_config", field: "state_directory",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.state_directory)),
  FieldLayout(
    type: "lnd_instance_config", field: "reserved",
    offset: MemoryLayout<lnd_instance_config>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_instance_ops", field: "size",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_instance_ops", field: "flags",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_instance_ops", field: "create",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.create)),
  FieldLayout(
    type: "lnd_instance_ops", field: "start",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.start)),
  FieldLayout(
    type: "lnd_instance_ops", field: "stop",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.stop)),
  FieldLayout(
    type: "lnd_instance_ops", field: "destroy",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.destroy)),
  FieldLayout(
    type: "lnd_instance_ops", field: "on_fds",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.on_fds)),
  FieldLayout(
    type: "lnd_instance_ops", field: "on_timer",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.on_timer)),
  FieldLayout(
    type: "lnd_instance_ops", field: "on_wake",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.on_wake)),
  FieldLayout(
    type: "lnd_instance_ops", field: "on_op_done",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.on_op_done)),
  FieldLayout(
    type: "lnd_instance_ops", field: "on_event",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.on_event)),
  FieldLayout(
    type: "lnd_instance_ops", field: "validate",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.validate)),
  FieldLayout(
    type: "lnd_instance_ops", field: "reconfigure",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.reconfigure)),
  FieldLayout(
    type: "lnd_instance_ops", field: "status",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.status)),
  FieldLayout(
    type: "lnd_instance_ops", field: "reserved",
    offset: MemoryLayout<lnd_instance_ops>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_network_ops", field: "instance",
    offset: MemoryLayout<lnd_network_ops>.offset(of: \.instance)),
  FieldLayout(
    type: "lnd_network_ops", field: "port_up",
    offset: MemoryLayout<lnd_network_ops>.offset(of: \.port_up)),
  FieldLayout(
    type: "lnd_network_ops", field: "port_down",
    offset: MemoryLayout<lnd_network_ops>.offset(of: \.port_down)),
  FieldLayout(
    type: "lnd_network_ops", field: "rx", offset: MemoryLayout<lnd_network_ops>.offset(of: \.rx)),
  FieldLayout(
    type: "lnd_network_ops", field: "tx_ready",
    offset: MemoryLayout<lnd_network_ops>.offset(of: \.tx_ready)),
  FieldLayout(
    type: "lnd_network_ops", field: "port_changed",
    offset: MemoryLayout<lnd_network_ops>.offset(of: \.port_changed)),
  FieldLayout(
    type: "lnd_dns_query", field: "size", offset: MemoryLayout<lnd_dns_query>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_dns_query", field: "flags", offset: MemoryLayout<lnd_dns_query>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_dns_query", field: "message",
    offset: MemoryLayout<lnd_dns_query>.offset(of: \.message)),
  FieldLayout(
    type: "lnd_dns_query", field: "length", offset: MemoryLayout<lnd_dns_query>.offset(of: \.length)
  ),
  FieldLayout(
    type: "lnd_dns_query", field: "transport",
    offset: MemoryLayout<lnd_dns_query>.offset(of: \.transport)),
  FieldLayout(
    type: "lnd_dns_query", field: "deadline_ns",
    offset: MemoryLayout<lnd_dns_query>.offset(of: \.deadline_ns)),
  FieldLayout(
    type: "lnd_dns_query", field: "port", offset: MemoryLayout<lnd_dns_query>.offset(of: \.port)),
  FieldLayout(
    type: "lnd_dns_query", field: "mac", offset: MemoryLayout<lnd_dns_query>.offset(of: \.mac)),
  FieldLayout(
    type: "lnd_dns_query", field: "reserved",
    offset: MemoryLayout<lnd_dns_query>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_dns_query", field: "name", offset: MemoryLayout<lnd_dns_query>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_dns_query", field: "client", offset: MemoryLayout<lnd_dns_query>.offset(of: \.client)
  ),
  FieldLayout(
    type: "lnd_dns_query", field: "server", offset: MemoryLayout<lnd_dns_query>.offset(of: \.server)
  ),
  FieldLayout(
    type: "lnd_dns_ops", field: "instance", offset: MemoryLayout<lnd_dns_ops>.offset(of: \.instance)
  ),
  FieldLayout(
    type: "lnd_dns_ops", field: "resolve", offset: MemoryLayout<lnd_dns_ops>.offset(of: \.resolve)),
  FieldLayout(
    type: "lnd_dns_ops", field: "cancel", offset: MemoryLayout<lnd_dns_ops>.offset(of: \.cancel)),
  FieldLayout(
    type: "lnd_host_dns", field: "size", offset: MemoryLayout<lnd_host_dns>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_dns", field: "flags", offset: MemoryLayout<lnd_host_dns>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_dns", field: "query", offset: MemoryLayout<lnd_host_dns>.offset(of: \.query)),
  FieldLayout(
    type: "lnd_host_dns", field: "cancel", offset: MemoryLayout<lnd_host_dns>.offset(of: \.cancel)),
  FieldLayout(
    type: "lnd_host_dns_cache", field: "size",
    offset: MemoryLayout<lnd_host_dns_cache>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_dns_cache", field: "flags",
    offset: MemoryLayout<lnd_host_dns_cache>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_dns_cache", field: "flush",
    offset: MemoryLayout<lnd_host_dns_cache>.offset(of: \.flush)),
  FieldLayout(
    type: "lnd_host_dns_cache", field: "keep_private",
    offset: MemoryLayout<lnd_host_dns_cache>.offset(of: \.keep_private)),
  FieldLayout(
    type: "lnd_host_dns_next", field: "size",
    offset: MemoryLayout<lnd_host_dns_next>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_dns_next", field: "flags",
    offset: MemoryLayout<lnd_host_dns_next>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_dns_next", field: "query",
    offset: MemoryLayout<lnd_host_dns_next>.offset(of: \.query)),
  FieldLayout(
    type: "lnd_host_dns_next", field: "cancel",
    offset: MemoryLayout<lnd_host_dns_next>.offset(of: \.cancel)),
  FieldLayout(
    type: "lnd_host_names", field: "size", offset: MemoryLayout<lnd_host_names>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_names", field: "flags", offset: MemoryLayout<lnd_host_names>.offset(of: \.flags)
  ),
  FieldLayout(
    type: "lnd_host_names", field: "publish",
    offset: MemoryLayout<lnd_host_names>.offset(of: \.publish)),
  FieldLayout(
    type: "lnd_host_names", field: "withdraw",
    offset: MemoryLayout<lnd_host_names>.offset(of: \.withdraw)),
  FieldLayout(
    type: "lnd_forward", field: "size", offset: MemoryLayout<lnd_forward>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_forward", field: "flags", offset: MemoryLayout<lnd_forward>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_forward", field: "protocol",
    offset: MemoryLayout<lnd_forward>.offset(of: \.`protocol`)),
  FieldLayout(
    type: "lnd_forward", field: "listener", offset: MemoryLayout<lnd_forward>.offset(of: \.listener)
  ),
  FieldLayout(
    type: "lnd_forward", field: "host", offset: MemoryLayout<lnd_forward>.offset(of: \.host)),
  FieldLayout(
    type: "lnd_forward", field: "path", offset: MemoryLayout<lnd_forward>.offset(of: \.path)),
  FieldLayout(
    type: "lnd_forward", field: "guest", offset: MemoryLayout<lnd_forward>.offset(of: \.guest)),
  FieldLayout(
    type: "lnd_forward", field: "guest_name",
    offset: MemoryLayout<lnd_forward>.offset(of: \.guest_name)),
  FieldLayout(
    type: "lnd_plugin_forward", field: "size",
    offset: MemoryLayout<lnd_plugin_forward>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_plugin_forward", field: "flags",
    offset: MemoryLayout<lnd_plugin_forward>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_plugin_forward", field: "expose",
    offset: MemoryLayout<lnd_plugin_forward>.offset(of: \.expose)),
  FieldLayout(
    type: "lnd_plugin_forward", field: "unexpose",
    offset: MemoryLayout<lnd_plugin_forward>.offset(of: \.unexpose)),
  FieldLayout(
    type: "lnd_plugin_forward", field: "list",
    offset: MemoryLayout<lnd_plugin_forward>.offset(of: \.list)),
  FieldLayout(
    type: "lnd_connect", field: "size", offset: MemoryLayout<lnd_connect>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_connect", field: "flags", offset: MemoryLayout<lnd_connect>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_connect", field: "guest", offset: MemoryLayout<lnd_connect>.offset(of: \.guest)),
  FieldLayout(
    type: "lnd_connect", field: "guest_name",
    offset: MemoryLayout<lnd_connect>.offset(of: \.guest_name)),
  FieldLayout(
    type: "lnd_plugin_connect", field: "size",
    offset: MemoryLayout<lnd_plugin_connect>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_plugin_connect", field: "flags",
    offset: MemoryLayout<lnd_plugin_connect>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_plugin_connect", field: "connect",
    offset: MemoryLayout<lnd_plugin_connect>.offset(of: \.connect)),
  FieldLayout(
    type: "lnd_lease_request", field: "size",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_lease_request", field: "flags",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_lease_request", field: "port",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.port)),
  FieldLayout(
    type: "lnd_lease_request", field: "mac",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.mac)),
  FieldLayout(
    type: "lnd_lease_request", field: "reserved",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_lease_request", field: "name",
    offset: MemoryLayout<lnd_lease_request>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_plugin_lease", field: "size",
    offset: MemoryLayout<lnd_plugin_lease>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_plugin_lease", field: "flags",
    offset: MemoryLayout<lnd_plugin_lease>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_plugin_lease", field: "reserve",
    offset: MemoryLayout<lnd_plugin_lease>.offset(of: \.reserve)),
  FieldLayout(
    type: "lnd_plugin_lease", field: "release",
    offset: MemoryLayout<lnd_plugin_lease>.offset(of: \.release)),
  FieldLayout(
    type: "lnd_plugin_lease", field: "list",
    offset: MemoryLayout<lnd_plugin_lease>.offset(of: \.list)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "size",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "flags",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "guest_up",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.guest_up)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "guest_down",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.guest_down)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "station",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.station)),
  FieldLayout(
    type: "lnd_plugin_guests", field: "guest_changed",
    offset: MemoryLayout<lnd_plugin_guests>.offset(of: \.guest_changed)),
  FieldLayout(
    type: "lnd_guard_binding", field: "size",
    offset: MemoryLayout<lnd_guard_binding>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_guard_binding", field: "flags",
    offset: MemoryLayout<lnd_guard_binding>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_guard_binding", field: "address",
    offset: MemoryLayout<lnd_guard_binding>.offset(of: \.address)),
  FieldLayout(
    type: "lnd_guard_binding", field: "mac",
    offset: MemoryLayout<lnd_guard_binding>.offset(of: \.mac)),
  FieldLayout(
    type: "lnd_guard_binding", field: "reserved",
    offset: MemoryLayout<lnd_guard_binding>.offset(of: \.reserved)),
  FieldLayout(
    type: "lnd_host_guard", field: "size", offset: MemoryLayout<lnd_host_guard>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_guard", field: "flags", offset: MemoryLayout<lnd_host_guard>.offset(of: \.flags)
  ),
  FieldLayout(
    type: "lnd_host_guard", field: "bind", offset: MemoryLayout<lnd_host_guard>.offset(of: \.bind)),
  FieldLayout(
    type: "lnd_host_guard", field: "unbind",
    offset: MemoryLayout<lnd_host_guard>.offset(of: \.unbind)),
  FieldLayout(
    type: "lnd_host_guard", field: "serve", offset: MemoryLayout<lnd_host_guard>.offset(of: \.serve)
  ),
  FieldLayout(
    type: "lnd_uplink", field: "size", offset: MemoryLayout<lnd_uplink>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_uplink", field: "flags", offset: MemoryLayout<lnd_uplink>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_uplink", field: "transport", offset: MemoryLayout<lnd_uplink>.offset(of: \.transport)
  ),
  FieldLayout(type: "lnd_uplink", field: "fd", offset: MemoryLayout<lnd_uplink>.offset(of: \.fd)),
  FieldLayout(type: "lnd_uplink", field: "mtu", offset: MemoryLayout<lnd_uplink>.offset(of: \.mtu)),
  FieldLayout(
    type: "lnd_uplink", field: "offloads", offset: MemoryLayout<lnd_uplink>.offset(of: \.offloads)),
  FieldLayout(
    type: "lnd_uplink", field: "name", offset: MemoryLayout<lnd_uplink>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_host_uplink", field: "size", offset: MemoryLayout<lnd_host_uplink>.offset(of: \.size)
  ),
  FieldLayout(
    type: "lnd_host_uplink", field: "flags",
    offset: MemoryLayout<lnd_host_uplink>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_uplink", field: "add", offset: MemoryLayout<lnd_host_uplink>.offset(of: \.add)),
  FieldLayout(
    type: "lnd_host_uplink", field: "remove",
    offset: MemoryLayout<lnd_host_uplink>.offset(of: \.remove)),
  FieldLayout(
    type: "lnd_host_uplink", field: "relay",
    offset: MemoryLayout<lnd_host_uplink>.offset(of: \.relay)),
  FieldLayout(type: "lnd_tap", field: "size", offset: MemoryLayout<lnd_tap>.offset(of: \.size)),
  FieldLayout(type: "lnd_tap", field: "flags", offset: MemoryLayout<lnd_tap>.offset(of: \.flags)),
  FieldLayout(type: "lnd_tap", field: "mtu", offset: MemoryLayout<lnd_tap>.offset(of: \.mtu)),
  FieldLayout(
    type: "lnd_tap", field: "reserved", offset: MemoryLayout<lnd_tap>.offset(of: \.reserved)),
  FieldLayout(type: "lnd_tap", field: "mac", offset: MemoryLayout<lnd_tap>.offset(of: \.mac)),
  FieldLayout(
    type: "lnd_tap", field: "reserved1", offset: MemoryLayout<lnd_tap>.offset(of: \.reserved1)),
  FieldLayout(type: "lnd_tap", field: "name", offset: MemoryLayout<lnd_tap>.offset(of: \.name)),
  FieldLayout(
    type: "lnd_host_tap", field: "size", offset: MemoryLayout<lnd_host_tap>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_tap", field: "flags", offset: MemoryLayout<lnd_host_tap>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_tap", field: "describe",
    offset: MemoryLayout<lnd_host_tap>.offset(of: \.describe)),
  FieldLayout(
    type: "lnd_host_tap", field: "add", offset: MemoryLayout<lnd_host_tap>.offset(of: \.add)),
  FieldLayout(
    type: "lnd_host_loopcheck", field: "size",
    offset: MemoryLayout<lnd_host_loopcheck>.offset(of: \.size)),
  FieldLayout(
    type: "lnd_host_loopcheck", field: "flags",
    offset: MemoryLayout<lnd_host_loopcheck>.offset(of: \.flags)),
  FieldLayout(
    type: "lnd_host_loopcheck", field: "on_loop",
    offset: MemoryLayout<lnd_host_loopcheck>.offset(of: \.on_loop)),
]

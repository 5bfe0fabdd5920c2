// SPDX-License-Identifier: Apache-2.0
//! The C ABI as it is: `lnd_plugin.h` and some of its `lnd_ext_*.h`, whose text is the contract. What they say of
//! threads, ownership and errors holds here. The offsets are checked when this crate is compiled (`layout.rs`).
#![allow(non_camel_case_types, missing_docs)]

use core::ffi::{c_char, c_void};

pub const LND_ABI_MINOR: u32 = 0;

pub type lnd_status = i32;
pub type lnd_handle = u64;
pub type lnd_port = u64;
pub type lnd_op = u64;
pub type lnd_sink = u64;

pub const LND_OK: lnd_status = 0;
pub const LND_ERR_INVALID_CONFIG: lnd_status = -1;
pub const LND_ERR_UNSUPPORTED: lnd_status = -2;
pub const LND_ERR_NOT_FOUND: lnd_status = -3;
pub const LND_ERR_EXISTS: lnd_status = -4;
pub const LND_ERR_BUSY: lnd_status = -5;
pub const LND_ERR_LIMIT: lnd_status = -6;
pub const LND_ERR_TIMEOUT: lnd_status = -7;
pub const LND_ERR_SYSTEM: lnd_status = -8;
pub const LND_ERR_INTERNAL: lnd_status = -9;
pub const LND_ERR_CANCELLED: lnd_status = -10;
pub const LND_ERR_REFUSED: lnd_status = -11;
pub const LND_ERR_DENIED: lnd_status = -12;
pub const LND_ERR_MISUSE: lnd_status = -13;

pub const LND_PLUGIN_MULTI_LOOP: u32 = 1;
pub const LND_NETWORK_RX_SLICES: u32 = 2;
pub const LND_NETWORK_ISOLATED: u32 = 0x10000;
pub const LND_NETWORK_TAP: u32 = 0x20000;
pub const LND_NETWORK_PLAIN: u32 = 0x40000;

pub const LND_FRAME_NEEDS_CSUM: u32 = 1;
pub const LND_FRAME_CSUM_VALID: u32 = 2;
pub const LND_FRAME_SLICES: u32 = 0x10000;
pub const LND_FRAME_SHARED: u32 = 0x20000;

pub const LND_PORT_GUEST: u32 = 1;
pub const LND_PORT_SWITCH: u32 = 2;
pub const LND_PORT_UPLINK: u32 = 3;

pub const LND_FD_READ: u32 = 1;
pub const LND_FD_WRITE: u32 = 2;
pub const LND_FD_ERROR: u32 = 4;
pub const LND_FD_HANGUP: u32 = 8;

pub const LND_STATE_OK: u32 = 1;
pub const LND_STATE_CONNECTING: u32 = 2;
pub const LND_STATE_DEGRADED: u32 = 3;
pub const LND_STATE_FAILED: u32 = 4;

pub const LND_EVENT_NETWORK_CHANGED: u32 = 1;

/// An IP address with an optional port number; IPv4 as ::ffff:a.b.c.d.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_endpoint {
    pub address: [u8; 16],
    pub port: u16,
    pub reserved: u16,
    pub scope: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_slice {
    pub data: *const u8,
    pub length: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_frame {
    pub data: *const u8,
    pub length: u32,
    pub slices: u32,
    pub flags: u32,
    pub gso_type: u16,
    pub gso_size: u16,
    pub csum_start: u16,
    pub csum_offset: u16,
    pub hdr_len: u16,
    pub reserved: u16,
    pub source: lnd_port,
    pub mark: u32,
    pub hash: u32,
    pub lease: u64,
    pub reserved1: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_port_info {
    pub size: u32,
    pub flags: u32,
    pub port: lnd_port,
    pub link: u64,
    pub kind: u32,
    pub mtu: u32,
    pub offloads: u32,
    pub queues: u32,
    pub mac: [u8; 6],
    pub reserved: [u8; 2],
    pub name: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_fd_event {
    pub user: u64,
    pub events: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host {
    pub size: u32,
    pub abi_minor: u32,
    pub ctx: *mut c_void,
    pub log: Option<unsafe extern "C" fn(*mut c_void, u32, *const c_char, u64)>,
    pub wake: Option<unsafe extern "C" fn(*mut c_void)>,
    pub now_ns: Option<unsafe extern "C" fn(*mut c_void) -> u64>,
    pub fd_add: Option<unsafe extern "C" fn(*mut c_void, i32, u32, u64, *mut lnd_handle) -> lnd_status>,
    pub fd_modify: Option<unsafe extern "C" fn(*mut c_void, lnd_handle, u32) -> lnd_status>,
    pub fd_remove: Option<unsafe extern "C" fn(*mut c_void, lnd_handle)>,
    pub timer_at: Option<unsafe extern "C" fn(*mut c_void, u64, u64) -> lnd_handle>,
    pub timer_cancel: Option<unsafe extern "C" fn(*mut c_void, lnd_handle)>,
    pub send: Option<unsafe extern "C" fn(*mut c_void, lnd_port, *const lnd_frame, u32) -> u32>,
    pub fail: Option<unsafe extern "C" fn(*mut c_void, lnd_status, *const c_char, *const c_char, u64) -> lnd_status>,
    pub op_done: Option<unsafe extern "C" fn(*mut c_void, lnd_op, lnd_status, *const u8, u64) -> lnd_status>,
    pub write: Option<unsafe extern "C" fn(*mut c_void, lnd_sink, *const u8, u64) -> lnd_status>,
    pub get_extension: Option<unsafe extern "C" fn(*mut c_void, *const c_char) -> *const c_void>,
    pub report: Option<unsafe extern "C" fn(*mut c_void, u32, *const c_char, u64)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_plugin {
    pub size: u32,
    pub flags: u32,
    pub kind: *const c_char,
    pub name: *const c_char,
    pub summary: *const c_char,
    pub modes: *const *const c_char,
    pub options_schema: *const c_char,
    pub user: *mut c_void,
    pub ops: *const c_void,
    pub get_extension: Option<unsafe extern "C" fn(*const lnd_plugin, *const c_char) -> *const c_void>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_module {
    pub size: u32,
    pub abi_minor: u32,
    pub id: *const c_char,
    pub version: *const c_char,
    pub license: *const c_char,
    pub url: *const c_char,
    pub plugin_count: u32,
    pub flags: u32,
    pub plugins: *const *const lnd_plugin,
    pub requires_host: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host_info {
    pub size: u32,
    pub abi_minor: u32,
    pub name: *const c_char,
    pub version: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_instance_config {
    pub size: u32,
    pub flags: u32,
    pub network: *const c_char,
    pub mode: *const c_char,
    pub instance: *const c_char,
    pub options: *const c_char,
    pub options_length: u64,
    pub state_directory: *const c_char,
    pub reserved: [u64; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_instance_ops {
    pub size: u32,
    pub flags: u32,
    pub create:
        Option<unsafe extern "C" fn(*const lnd_plugin, *const lnd_host, *const lnd_instance_config) -> *mut c_void>,
    pub start: Option<unsafe extern "C" fn(*mut c_void, lnd_op) -> lnd_status>,
    pub stop: Option<unsafe extern "C" fn(*mut c_void, lnd_op)>,
    pub destroy: Option<unsafe extern "C" fn(*mut c_void)>,
    pub on_fds: Option<unsafe extern "C" fn(*mut c_void, *const lnd_fd_event, u32)>,
    pub on_timer: Option<unsafe extern "C" fn(*mut c_void, lnd_handle, u64)>,
    pub on_wake: Option<unsafe extern "C" fn(*mut c_void)>,
    pub on_op_done: Option<unsafe extern "C" fn(*mut c_void, lnd_op, lnd_status, *const u8, u64)>,
    pub on_event: Option<unsafe extern "C" fn(*mut c_void, u32)>,
    pub validate:
        Option<unsafe extern "C" fn(*const lnd_plugin, *const lnd_host, *const lnd_instance_config) -> lnd_status>,
    pub reconfigure: Option<unsafe extern "C" fn(*mut c_void, *const lnd_instance_config) -> lnd_status>,
    pub status: Option<unsafe extern "C" fn(*mut c_void, lnd_sink)>,
    pub reserved: [Option<unsafe extern "C" fn()>; 4],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_network_ops {
    pub instance: lnd_instance_ops,
    pub port_up: Option<unsafe extern "C" fn(*mut c_void, *const lnd_port_info) -> lnd_status>,
    pub port_down: Option<unsafe extern "C" fn(*mut c_void, lnd_port)>,
    pub rx: Option<unsafe extern "C" fn(*mut c_void, lnd_port, *const lnd_frame, u32)>,
    pub tx_ready: Option<unsafe extern "C" fn(*mut c_void, lnd_port)>,
    pub port_changed: Option<unsafe extern "C" fn(*mut c_void, *const lnd_port_info)>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_dns_query {
    pub size: u32,
    pub flags: u32,
    pub message: *const u8,
    pub length: u32,
    pub transport: u32,
    pub deadline_ns: u64,
    pub port: lnd_port,
    pub mac: [u8; 6],
    pub reserved: [u8; 2],
    pub name: *const c_char,
    pub client: lnd_endpoint,
    pub server: lnd_endpoint,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_dns_ops {
    pub instance: lnd_instance_ops,
    pub resolve: Option<unsafe extern "C" fn(*mut c_void, lnd_op, *const lnd_dns_query)>,
    pub cancel: Option<unsafe extern "C" fn(*mut c_void, lnd_op)>,
}

/// `limanetd.lease/1`
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_lease_request {
    pub size: u32,
    pub flags: u32,
    pub port: lnd_port,
    pub mac: [u8; 6],
    pub reserved: [u8; 2],
    pub name: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_plugin_lease {
    pub size: u32,
    pub flags: u32,
    pub reserve: Option<unsafe extern "C" fn(*mut c_void, *const lnd_lease_request, lnd_sink) -> lnd_status>,
    pub release: Option<unsafe extern "C" fn(*mut c_void, *const lnd_lease_request)>,
    pub list: Option<unsafe extern "C" fn(*mut c_void, lnd_sink)>,
}

/// `limanetd.dns/1`, the host's side
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host_dns {
    pub size: u32,
    pub flags: u32,
    pub query: Option<unsafe extern "C" fn(*mut c_void, *const lnd_dns_query) -> lnd_op>,
    pub cancel: Option<unsafe extern "C" fn(*mut c_void, lnd_op)>,
}

/// `limanetd.dns-cache/1`, the host's side
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host_dns_cache {
    pub size: u32,
    pub flags: u32,
    pub flush: Option<unsafe extern "C" fn(*mut c_void)>,
    pub keep_private: Option<unsafe extern "C" fn(*mut c_void, lnd_op) -> lnd_status>,
}

/// `limanetd.dns-next/1`, the host's side
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host_dns_next {
    pub size: u32,
    pub flags: u32,
    pub query: Option<unsafe extern "C" fn(*mut c_void, lnd_op, *const lnd_dns_query) -> lnd_op>,
    pub cancel: Option<unsafe extern "C" fn(*mut c_void, lnd_op)>,
}

/// `limanetd.names/1`, the host's side
#[repr(C)]
#[derive(Clone, Copy)]
pub struct lnd_host_names {
    pub size: u32,
    pub flags: u32,
    pub publish: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const lnd_endpoint) -> lnd_status>,
    pub withdraw: Option<unsafe extern "C" fn(*mut c_void, *const c_char, *const lnd_endpoint) -> lnd_status>,
}

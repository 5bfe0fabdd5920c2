// SPDX-License-Identifier: Apache-2.0
//! Plugins of lima-netd in Rust: a network ([`Network`]) or a DNS server ([`Dns`]) behind lima-netd's C ABI.
//!
//! A plugin is a `cdylib` with one type that implements a trait, and one [`module!`]:
//!
//! ```ignore
//! struct Silent { host: Host }
//!
//! impl Network for Silent {
//!     fn create(host: Host, _: &NetworkConfig) -> Result<Self, Failure> { Ok(Silent { host }) }
//!     fn host(&self) -> &Host { &self.host }
//!     fn rx(&mut self, _: Port, _: &[Frame]) {}
//! }
//!
//! lima_netd_plugin::module! {
//!     id: "org.example.silent", version: "0.1.0", license: "Apache-2.0",
//!     network Silent { name: "silent", summary: "Answers nothing", modes: ["silent"], isolated: true, schema: None }
//! }
//! ```
//!
//! Every method is called on the network's one loop thread, one at a time, and must not block. What it is given is
//! borrowed for the call, and the compiler sees to that. Other threads get a [`Waker`]. A panic ends the network's
//! process, which lima-netd starts again; guests stay connected.
//!
//! `no_std` with `alloc`; no dependencies. [`sys`] is the C ABI itself, for what has no method here.
#![no_std]

extern crate alloc;

mod dns;
mod endpoint;
mod entry;
mod failure;
mod frame;
mod host;
mod layout;
mod network;
mod next;
mod options;
pub mod sys;
mod table;

pub use dns::{Dns, DnsConfig, DnsQuery};
pub use endpoint::Endpoint;
pub use entry::{dns_ops, lease_or_null, network_ops, static_module, Static};
pub use failure::Failure;
pub use frame::{Frame, SendFrame};
pub use host::{Host, LogLevel, Sink, State, Waker};
pub use network::{FdEvent, LeaseRequest, Network, NetworkConfig, Port, PortInfo};
pub use next::NextDns;
pub use options::Options;

/// An operation requested by the host, which the plugin completes exactly once.
pub type Op = sys::lnd_op;
/// A watched descriptor or a timer. 0: none.
pub type Handle = sys::lnd_handle;

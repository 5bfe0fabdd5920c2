// SPDX-License-Identifier: Apache-2.0
use crate::{sys::*, Failure, Frame, Handle, Host, Op, Options, Sink};

/// A port: a guest's link, an uplink, or the switch.
pub type Port = lnd_port;
/// A watched descriptor is ready: `user` as passed to `watch`, `events` of `LND_FD_*`.
pub type FdEvent = lnd_fd_event;

/// The configuration of a network.
pub struct NetworkConfig<'a> {
    /// Name of the network in networks.yaml.
    pub name: &'a str,
    /// A name that is unique within the network.
    pub instance: &'a str,
    /// The network's `mode:`.
    pub mode: &'a str,
    /// Validated by the schema, with defaults filled in.
    pub options: Options<'a>,
    /// A directory for files that outlive the process; "": there is none.
    pub state_directory: &'a str,
}

/// A port that has come up.
pub struct PortInfo<'a> {
    /// `LND_PORT_*`
    pub kind: u32,
    /// Its id.
    pub port: Port,
    /// A number of the guest's link that is the same after a restart of the process; 0: it has none.
    pub link: u64,
    /// Maximum IP packet of the link, bytes; 0: unknown.
    pub mtu: u32,
    /// `LND_OFFLOAD_*`
    pub offloads: u32,
    /// The guest's Ethernet address; zero: unknown.
    pub mac: [u8; 6],
    /// The guest's name, or "".
    pub name: &'a str,
}

/// A guest that is configured by the host instead of DHCP.
pub struct LeaseRequest<'a> {
    /// The guest's port.
    pub port: Port,
    /// Its Ethernet address; zero: unknown.
    pub mac: [u8; 6],
    /// The guest's name, or "".
    pub name: &'a str,
}

/// An instance of a network plugin, which is one network. Dropped after `stop`, or after a failed `start`.
pub trait Network: Sized + 'static {
    /// Whether it has `limanetd.lease/1`: `reserve`, `release` and `leases`.
    const LEASES: bool = false;

    /// Creates an instance. Must not use the network or files yet.
    fn create(host: Host, config: &NetworkConfig) -> Result<Self, Failure>;

    /// The host that was passed to `create`.
    fn host(&self) -> &Host;

    /// Frames from a port, 1 to 256 at a time.
    fn rx(&mut self, port: Port, frames: &[Frame]);

    /// Checks rules between options that the schema cannot express.
    fn validate(_host: &Host, _config: &NetworkConfig) -> Result<(), Failure> {
        Ok(())
    }

    /// Opens what the network needs. Ports come up after it.
    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// For a start that takes time: completes `op` with `host().done`, now or later. By default calls `start`.
    fn start_later(&mut self, op: Op) -> Result<(), Failure> {
        self.start()?;
        self.host().done(op, Ok(&[]));
        Ok(())
    }

    /// Ends all work, and completes `op` when done; all ports are down already.
    fn stop(&mut self, op: Op) {
        self.host().done(op, Ok(&[]))
    }

    /// A port is up. A failure disconnects the guest.
    fn port_up(&mut self, _info: &PortInfo) -> Result<(), Failure> {
        Ok(())
    }

    /// A port was removed. An unknown port is no error.
    fn port_down(&mut self, _port: Port) {}

    /// The properties passed to `port_up` have changed.
    fn port_changed(&mut self, _info: &PortInfo) {}

    /// The port takes frames again, after a `send` that took fewer than it was given.
    fn tx_ready(&mut self, _port: Port) {}

    /// Watched descriptors are ready. Events of a watch that has just been removed may be among them.
    fn on_fds(&mut self, _events: &[FdEvent]) {}

    /// A timer fired; its handle is no longer valid.
    fn on_timer(&mut self, _timer: Handle, _user: u64) {}

    /// `wake` was called.
    fn on_wake(&mut self) {}

    /// An operation requested of the host is complete.
    fn on_op_done(&mut self, _op: Op, _status: lnd_status, _bytes: &[u8]) {}

    /// The options changed. By default they take effect at the next start.
    fn reconfigure(&mut self, _config: &NetworkConfig) -> Result<(), Failure> {
        Err(Failure::new(crate::sys::LND_ERR_UNSUPPORTED, "these options hold from the next start on"))
    }

    /// `LND_EVENT_*`: a change on the host that may concern the plugin.
    fn on_event(&mut self, _event: u32) {}

    /// Writes one JSON object with counters and state for users.
    fn status(&self, sink: &mut Sink) {
        sink.bytes(b"{}")
    }

    /// Writes the configuration that DHCP would give the guest, and reserves it (lnd_ext_lease.h describes the
    /// object).
    fn reserve(&mut self, _request: &LeaseRequest, _sink: &mut Sink) -> Result<(), Failure> {
        Err(Failure::new(LND_ERR_UNSUPPORTED, "no leases here"))
    }

    /// The guest no longer uses what `reserve` wrote.
    fn release(&mut self, _request: &LeaseRequest) {}

    /// Writes the leases as a JSON array.
    fn leases(&self, sink: &mut Sink) {
        sink.bytes(b"[]")
    }
}

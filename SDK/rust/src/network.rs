// SPDX-License-Identifier: Apache-2.0
use crate::{sys::*, Failure, Frame, Handle, Host, Op, Options, Sink};

/// A guest's link, an uplink, or the switch.
pub type Port = lnd_port;
/// A watched descriptor is ready: `user` as given to `watch`, `events` of `LND_FD_*`.
pub type FdEvent = lnd_fd_event;

/// What a network is to be.
pub struct NetworkConfig<'a> {
    /// Of the network, as in networks.yaml.
    pub name: &'a str,
    /// A name that no other instance of the network has.
    pub instance: &'a str,
    /// The `mode:` it was chosen for.
    pub mode: &'a str,
    /// Checked against the schema, defaults filled in.
    pub options: Options<'a>,
    /// A folder for what shall outlive the process; "": there is none.
    pub state_directory: &'a str,
}

/// A port, as it comes up.
pub struct PortInfo<'a> {
    /// `LND_PORT_*`
    pub kind: u32,
    /// Its id.
    pub port: Port,
    /// A number of the guest's link that stays the same when the process is started again; 0: it has none.
    pub link: u64,
    /// Bytes of IP packet the link carries; 0: not known.
    pub mtu: u32,
    /// `LND_OFFLOAD_*`
    pub offloads: u32,
    /// The guest's; zero: not known.
    pub mac: [u8; 6],
    /// The guest's, or "".
    pub name: &'a str,
}

/// Who wants to know what DHCP would give him.
pub struct LeaseRequest<'a> {
    /// The guest's port.
    pub port: Port,
    /// Zero: not known yet.
    pub mac: [u8; 6],
    /// The guest's, or "".
    pub name: &'a str,
}

/// An instance of a network plugin: one network. Dropped after `stop`, or after a failed `start`.
pub trait Network: Sized + 'static {
    /// Offers `limanetd.lease/1`: `reserve` and `leases` are asked.
    const LEASES: bool = false;

    /// Makes an instance. Touches neither network nor files yet.
    fn create(host: Host, config: &NetworkConfig) -> Result<Self, Failure>;

    /// What `create` was given.
    fn host(&self) -> &Host;

    /// Frames from a port, 1 to 256 at a time.
    fn rx(&mut self, port: Port, frames: &[Frame]);

    /// Rules between options that the schema cannot say.
    fn validate(_host: &Host, _config: &NetworkConfig) -> Result<(), Failure> {
        Ok(())
    }

    /// Opens what the network needs. Ports come after it.
    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// For what takes longer: completes `op` with `host().done` when it is ready, now or later. `start` by itself.
    fn start_later(&mut self, op: Op) -> Result<(), Failure> {
        self.start()?;
        self.host().done(op, Ok(&[]));
        Ok(())
    }

    /// Winds down, and completes `op` when quiet; all ports are down already.
    fn stop(&mut self, op: Op) {
        self.host().done(op, Ok(&[]))
    }

    /// A port is there. A failure disconnects the guest.
    fn port_up(&mut self, _info: &PortInfo) -> Result<(), Failure> {
        Ok(())
    }

    /// A port is gone; an unknown one is no error.
    fn port_down(&mut self, _port: Port) {}

    /// What `port_up` said has changed.
    fn port_changed(&mut self, _info: &PortInfo) {}

    /// The port takes frames again after a short `send`.
    fn tx_ready(&mut self, _port: Port) {}

    /// Watched descriptors are ready. An event may be of a watch that has just ended.
    fn on_fds(&mut self, _events: &[FdEvent]) {}

    /// A timer fired; its handle is spent.
    fn on_timer(&mut self, _timer: Handle, _user: u64) {}

    /// `wake` was called.
    fn on_wake(&mut self) {}

    /// An operation asked of the host is complete.
    fn on_op_done(&mut self, _op: Op, _status: lnd_status, _bytes: &[u8]) {}

    /// Other options while it runs. By itself: they hold from the next start on.
    fn reconfigure(&mut self, _config: &NetworkConfig) -> Result<(), Failure> {
        Err(Failure::new(crate::sys::LND_ERR_UNSUPPORTED, "these options hold from the next start on"))
    }

    /// `LND_EVENT_*`: something the plugin may care for has changed.
    fn on_event(&mut self, _event: u32) {}

    /// Writes one JSON object: counters and state worth showing.
    fn status(&self, sink: &mut Sink) {
        sink.bytes(b"{}")
    }

    /// Writes what DHCP would give the guest, and counts it as taken (lnd_ext_lease.h has the object).
    fn reserve(&mut self, _request: &LeaseRequest, _sink: &mut Sink) -> Result<(), Failure> {
        Err(Failure::new(LND_ERR_UNSUPPORTED, "no leases here"))
    }

    /// The guest does not use what `reserve` gave it any more.
    fn release(&mut self, _request: &LeaseRequest) {}

    /// Writes the leases as a JSON array.
    fn leases(&self, sink: &mut Sink) {
        sink.bytes(b"[]")
    }
}

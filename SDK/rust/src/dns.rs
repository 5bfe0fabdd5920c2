// SPDX-License-Identifier: Apache-2.0
use crate::{Endpoint, Failure, FdEvent, Handle, Host, Op, Options, Port, Sink};

/// The configuration of a DNS plugin's instance.
pub struct DnsConfig<'a> {
    /// Name of the network.
    pub network: &'a str,
    /// Validated by the schema, with defaults filled in.
    pub options: Options<'a>,
    /// A name that is unique within the network.
    pub instance: &'a str,
    /// A directory for files that outlive the process; "": there is none.
    pub state_directory: &'a str,
}

/// A question.
pub struct DnsQuery<'a> {
    /// The whole message, 12 to 65535 bytes, exactly one question.
    pub message: &'a [u8],
    /// `LND_DNS_UDP` (1) or `LND_DNS_TCP` (2): how the client asked.
    pub transport: u32,
    /// Nanoseconds of `now`: a later answer has no effect.
    pub deadline: u64,
    /// The port of the guest that asks; 0: no guest, or unknown.
    pub port: Port,
    /// The Ethernet address of the station that asks; zero: unknown.
    pub mac: [u8; 6],
    /// The guest's name, or "".
    pub name: &'a str,
    /// The question's source.
    pub client: Endpoint,
    /// The question's destination.
    pub server: Endpoint,
    /// As it was received, to be passed to the next plugin.
    pub(crate) raw: crate::sys::lnd_dns_query,
}

/// An instance of a DNS plugin. Neither `create` nor `start` may fail because the host is offline.
pub trait Dns: Sized + 'static {
    /// Creates an instance. Must not use the network or files yet.
    fn create(host: Host, config: &DnsConfig) -> Result<Self, Failure>;

    /// The host that was passed to `create`.
    fn host(&self) -> &Host;

    /// Answers a question: `host().done(op, Ok(message))`, now or later, exactly once. A failure becomes SERVFAIL.
    fn resolve(&mut self, op: Op, query: &DnsQuery);

    /// The answer is no longer needed.
    fn cancel(&mut self, _op: Op) {}

    /// Checks rules between options that the schema cannot express.
    fn validate(_host: &Host, _config: &DnsConfig) -> Result<(), Failure> {
        Ok(())
    }

    /// Opens what the instance needs.
    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// For a start that takes time: completes `op` with `host().done`, now or later. By default calls `start`.
    fn start_later(&mut self, op: Op) -> Result<(), Failure> {
        self.start()?;
        self.host().done(op, Ok(&[]));
        Ok(())
    }

    /// Ends all work, and completes `op` when done.
    fn stop(&mut self, op: Op) {
        self.host().done(op, Ok(&[]))
    }

    /// Watched descriptors are ready. Events of a watch that has just been removed may be among them.
    fn on_fds(&mut self, _events: &[FdEvent]) {}

    /// A timer fired; its handle is no longer valid.
    fn on_timer(&mut self, _timer: Handle, _user: u64) {}

    /// `wake` was called.
    fn on_wake(&mut self) {}

    /// `LND_EVENT_*`: a change on the host that may concern the plugin.
    fn on_event(&mut self, _event: u32) {}

    /// The options changed. By default they take effect at the next start.
    fn reconfigure(&mut self, _config: &DnsConfig) -> Result<(), Failure> {
        Err(Failure::new(crate::sys::LND_ERR_UNSUPPORTED, "these options hold from the next start on"))
    }

    /// An operation requested of the host is complete.
    fn on_op_done(&mut self, _op: Op, _status: i32, _bytes: &[u8]) {}

    /// Writes one JSON object with counters and state for users.
    fn status(&self, sink: &mut Sink) {
        sink.bytes(b"{}")
    }
}

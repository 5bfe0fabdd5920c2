// SPDX-License-Identifier: Apache-2.0
use crate::{Endpoint, Failure, FdEvent, Handle, Host, Op, Options, Port, Sink};

/// For which network a DNS plugin answers.
pub struct DnsConfig<'a> {
    /// Its name.
    pub network: &'a str,
    /// Checked against the schema, defaults filled in.
    pub options: Options<'a>,
    /// A name that no other instance of the network has.
    pub instance: &'a str,
    /// A folder for what shall outlive the process; "": there is none.
    pub state_directory: &'a str,
}

/// A question.
pub struct DnsQuery<'a> {
    /// The whole message, 12 to 65535 bytes, exactly one question.
    pub message: &'a [u8],
    /// `LND_DNS_UDP` (1) or `LND_DNS_TCP` (2): how the client asked.
    pub transport: u32,
    /// Of `now`: a later answer is of no use.
    pub deadline: u64,
    /// Of the guest that asks; 0: no guest, or not known.
    pub port: Port,
    /// Of the station that asks; zero: not known.
    pub mac: [u8; 6],
    /// The guest's, or "".
    pub name: &'a str,
    /// Whence it came.
    pub client: Endpoint,
    /// Where it was sent.
    pub server: Endpoint,
    /// As it came, for the plugin behind.
    pub(crate) raw: crate::sys::lnd_dns_query,
}

/// An instance of a DNS plugin. Neither `create` nor `start` may fail because the machine is offline.
pub trait Dns: Sized + 'static {
    /// Makes an instance. Touches neither network nor files yet.
    fn create(host: Host, config: &DnsConfig) -> Result<Self, Failure>;

    /// What `create` was given.
    fn host(&self) -> &Host;

    /// Turns a question into an answer: `host().done(op, Ok(message))`, now or later, once. A failure becomes
    /// SERVFAIL.
    fn resolve(&mut self, op: Op, query: &DnsQuery);

    /// The answer is not wanted any more.
    fn cancel(&mut self, _op: Op) {}

    /// Rules between options that the schema cannot say.
    fn validate(_host: &Host, _config: &DnsConfig) -> Result<(), Failure> {
        Ok(())
    }

    /// Opens what it needs.
    fn start(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// For what takes longer: completes `op` with `host().done` when it is ready, now or later. `start` by itself.
    fn start_later(&mut self, op: Op) -> Result<(), Failure> {
        self.start()?;
        self.host().done(op, Ok(&[]));
        Ok(())
    }

    /// Winds down, and completes `op` when quiet.
    fn stop(&mut self, op: Op) {
        self.host().done(op, Ok(&[]))
    }

    /// Watched descriptors are ready. An event may be of a watch that has just ended.
    fn on_fds(&mut self, _events: &[FdEvent]) {}

    /// A timer fired; its handle is spent.
    fn on_timer(&mut self, _timer: Handle, _user: u64) {}

    /// `wake` was called.
    fn on_wake(&mut self) {}

    /// `LND_EVENT_*`: something the plugin may care for has changed.
    fn on_event(&mut self, _event: u32) {}

    /// Other options while it runs. By itself: they hold from the next start on.
    fn reconfigure(&mut self, _config: &DnsConfig) -> Result<(), Failure> {
        Err(Failure::new(crate::sys::LND_ERR_UNSUPPORTED, "these options hold from the next start on"))
    }

    /// An operation asked of the host is complete.
    fn on_op_done(&mut self, _op: Op, _status: i32, _bytes: &[u8]) {}

    /// Writes one JSON object: counters and state worth showing.
    fn status(&self, sink: &mut Sink) {
        sink.bytes(b"{}")
    }
}

//! __NAME__, a DNS plugin of lima-netd. README.md shows the order in which these methods are called; the trait
//! documents each of them.

mod message;

use lima_netd_plugin::sys::LND_ERR_UNSUPPORTED;
use lima_netd_plugin::{Dns, DnsConfig, DnsQuery, Failure, Host, Op, Sink};
use message::Record;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// One network's instance. Two may exist in one process, so keep no state outside of it.
struct Instance {
    host: Host,
    known: Record,
    questions: u64,
}

const SCHEMA: &std::ffi::CStr = cr#"{"type":"object","additionalProperties":false,"properties":{
"name":{"type":"string","default":"hello.__NAME__.test","minLength":1,"maxLength":253,
"description":"The name that is answered"},
"address":{"type":"string","format":"ipv4","default":"192.0.2.1","description":"Its address"}}}"#;

fn known(config: &DnsConfig) -> Result<Record, Failure> {
    let name = config.options.text("name")?.unwrap_or("hello.__NAME__.test".into());
    let address = config.options.text("address")?.unwrap_or("192.0.2.1".into());
    let address: Ipv4Addr = address.parse().map_err(|_| Failure::option("address", "not an IPv4 address"))?;
    Record::new(&name, address).ok_or(Failure::option("name", "not a domain name"))
}

impl Dns for Instance {
    fn validate(_: &Host, config: &DnsConfig) -> Result<(), Failure> {
        known(config).map(|_| ())
    }

    fn create(host: Host, config: &DnsConfig) -> Result<Self, Failure> {
        Ok(Instance { host, known: known(config)?, questions: 0 })
    }

    fn host(&self) -> &Host {
        &self.host
    }

    // `op` must be completed exactly once, here immediately. A plugin that answers later keeps a copy of the
    // question, and drops it in `cancel`.
    fn resolve(&mut self, op: Op, query: &DnsQuery) {
        self.questions += 1;
        match self.known.answer(query.message) {
            Some(answer) => self.host.done(op, Ok(&answer)),
            None => self.host.done(op, Err(Failure::new(LND_ERR_UNSUPPORTED, "not a question of one name"))),
        }
    }

    fn status(&self, sink: &mut Sink) {
        let _ = write!(sink, r#"{{"questions":{}}}"#, self.questions);
    }
}

lima_netd_plugin::module! {
    id: "org.example.__NAME__", version: "0.1.0", license: "Apache-2.0",
    dns Instance { name: "__NAME__", summary: "Answers one name", schema: Some(SCHEMA) }
}

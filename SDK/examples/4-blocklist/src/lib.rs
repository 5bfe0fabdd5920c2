//! lima-dns-blocklist: a DNS plugin that precedes another one.
//!
//!     dns: {plugins: [blocklist, hostdns]}
//!
//! A guest's question comes to this plugin first. Blocked names are answered immediately; other questions are
//! passed to the next plugin (limanetd.dns-next/1), whose answer is returned unchanged. It arrives in a later loop
//! iteration, so this plugin keeps a table of the questions it has passed on. `list.rs` handles names and messages,
//! and does not depend on lima-netd.

mod list;

use lima_netd_plugin::sys::{LND_ERR_BUSY, LND_ERR_INVALID_CONFIG, LND_ERR_UNSUPPORTED};
use lima_netd_plugin::{Dns, DnsConfig, DnsQuery, Failure, Host, LogLevel, NextDns, Op, Sink};
use list::{refusal, List};
use std::collections::HashMap;
use std::fmt::Write;

// The host validates options by the schema and fills in its defaults before it calls `create`. `x-path` makes the
// file accessible to the confined process.
const SCHEMA: &std::ffi::CStr = cr#"{"type":"object","additionalProperties":false,"properties":{
"names":{"type":"array","items":{"type":"string","minLength":1,"maxLength":253},"default":[],
"description":"Names that are blocked, each with all below it"},
"file":{"type":"string","x-path":"read","default":"",
"description":"A file with more of them, one a line, or in the form of a hosts file"}}}"#;

/// One network's instance. Several may exist in one process: there is no state outside of it.
struct Blocklist {
    host: Host,
    list: List,
    file: String,
    next: Option<NextDns>,
    /// Questions at the next plugin: the operation there, and that of the guest's question.
    waiting: HashMap<Op, Op>,
    blocked: u64,
    passed: u64,
}

fn named(config: &DnsConfig) -> Result<List, Failure> {
    let mut list = List::default();
    for name in config.options.texts("names")?.unwrap_or_default() {
        if !list.add(&name) {
            // The user reads: networks.lab.dns.options.names: ...
            return Err(Failure::option("names", format!("{name:?} is no domain name")));
        }
    }
    Ok(list)
}

impl Dns for Blocklist {
    fn validate(_: &Host, config: &DnsConfig) -> Result<(), Failure> {
        named(config).map(|_| ())
    }

    // Creates an instance; the file is read by `start`.
    fn create(host: Host, config: &DnsConfig) -> Result<Self, Failure> {
        let file = config.options.text("file")?.unwrap_or_default();
        let (next, list) = (host.next_dns(), named(config)?);
        Ok(Blocklist { host, list, file, next, waiting: HashMap::new(), blocked: 0, passed: 0 })
    }

    fn host(&self) -> &Host {
        &self.host
    }

    fn start(&mut self) -> Result<(), Failure> {
        if self.next.is_none() {
            self.host.log(LogLevel::Warn, "nobody is behind the blocklist: all that is not blocked is refused");
        }
        if !self.file.is_empty() {
            let text = std::fs::read_to_string(&self.file)
                .map_err(|error| Failure::option("file", format!("{}: {error}", self.file)))?;
            self.list.add_lines(&text).map_err(|line| {
                let text = format!("{}:{line}: neither a name nor a line of a hosts file", self.file);
                Failure { status: LND_ERR_INVALID_CONFIG, ..Failure::option("file", text) }
            })?;
        }
        Ok(())
    }

    // Each operation is completed exactly once: here, or in `on_op_done`.
    fn resolve(&mut self, op: Op, query: &DnsQuery) {
        if self.list.blocks(query.message) {
            self.blocked += 1;
            match refusal(query.message) {
                Some(answer) => self.host.done(op, Ok(&answer)),
                None => self.host.done(op, Err(Failure::new(LND_ERR_UNSUPPORTED, "not a question of one name"))),
            }
            return;
        }
        self.passed += 1;
        let Some(next) = &self.next else {
            // A failure becomes SERVFAIL.
            return self.host.done(op, Err(Failure::new(LND_ERR_UNSUPPORTED, "nobody is behind the blocklist")));
        };
        // The query is passed on with its questioner. The answer never arrives before this returns.
        match next.query(op, query) {
            Some(asked) => {
                self.waiting.insert(asked, op);
            }
            None => self.host.done(op, Err(Failure::new(LND_ERR_BUSY, "too many questions are under way"))),
        }
    }

    // The next plugin has answered, or failed. The bytes are borrowed: `done` copies them.
    fn on_op_done(&mut self, op: Op, status: i32, bytes: &[u8]) {
        let Some(question) = self.waiting.remove(&op) else { return };
        match status {
            0 => self.host.done(question, Ok(bytes)),
            _ => self.host.done(question, Err(Failure::new(status, String::from_utf8_lossy(bytes)))),
        }
    }

    // The answer is no longer needed. The host cancels the question at the next plugin.
    fn cancel(&mut self, op: Op) {
        self.waiting.retain(|_, question| *question != op);
    }

    // Shown by `lima-netd network inspect`.
    fn status(&self, sink: &mut Sink) {
        let (names, waiting) = (self.list.count(), self.waiting.len());
        let (blocked, passed) = (self.blocked, self.passed);
        let _ = write!(sink, r#"{{"names":{names},"blocked":{blocked},"passed":{passed},"waiting":{waiting}}}"#);
    }
}

lima_netd_plugin::module! {
    id: "org.example.blocklist", version: "0.1.0", license: "Apache-2.0",
    dns Blocklist { name: "blocklist", summary: "Answers blocked names, and asks the next plugin for all others", schema: Some(SCHEMA) }
}

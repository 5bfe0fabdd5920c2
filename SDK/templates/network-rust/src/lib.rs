//! __NAME__, a network plugin of lima-netd. README.md shows the order in which these methods are called; the trait
//! documents each of them.

mod frames;

use frames::Addresses;
use lima_netd_plugin::{Failure, Frame, Host, LeaseRequest, Network, NetworkConfig, Port, SendFrame, Sink};
use std::fmt::Write;
use std::net::Ipv4Addr;

/// One network's instance. Two may exist in one process, so keep no state outside of it.
struct Instance {
    host: Host,
    addresses: Addresses,
    received: u64,
    answered: u64,
    lost: u64,
}

const SCHEMA: &std::ffi::CStr = cr#"{"type":"object","additionalProperties":false,"properties":{
"gateway":{"type":"string","format":"ipv4","default":"10.99.0.2",
"description":"The address that answers ping. Guests get another one of its /24"}}}"#;

fn addresses(config: &NetworkConfig) -> Result<Addresses, Failure> {
    let gateway = config.options.text("gateway")?.unwrap_or("10.99.0.2".into());
    let gateway: Option<Ipv4Addr> = gateway.parse().ok();
    gateway.and_then(Addresses::new).ok_or(Failure::option("gateway", "not the address of a host in a /24"))
}

impl Network for Instance {
    const LEASES: bool = true;

    fn validate(_: &Host, config: &NetworkConfig) -> Result<(), Failure> {
        addresses(config).map(|_| ())
    }

    fn create(host: Host, config: &NetworkConfig) -> Result<Self, Failure> {
        Ok(Instance { host, addresses: addresses(config)?, received: 0, answered: 0, lost: 0 })
    }

    fn host(&self) -> &Host {
        &self.host
    }

    fn rx(&mut self, port: Port, frames: &[Frame]) {
        self.received += frames.len() as u64;
        for frame in frames {
            let Some(answer) = self.addresses.answer(frame.bytes()) else { continue };
            // 0: the guest's link is full. A network may lose a frame; one that must not be lost waits for
            // tx_ready.
            match self.host.send(port, &[SendFrame::new(&answer)]) {
                1 => self.answered += 1,
                _ => self.lost += 1,
            }
        }
    }

    fn status(&self, sink: &mut Sink) {
        let Instance { received, answered, lost, .. } = self;
        let _ = write!(sink, r#"{{"received":{received},"answered":{answered},"lost":{lost}}}"#);
    }

    // A guest configured without DHCP, by `lima-netd exec`.
    fn reserve(&mut self, _: &LeaseRequest, sink: &mut Sink) -> Result<(), Failure> {
        let Addresses { gateway, guest } = self.addresses;
        let _ = write!(
            sink,
            r#"{{"address":"{guest}","prefixLength":24,"gateway":"{gateway}","dns":[],"mtu":1500,"search":[]}}"#
        );
        Ok(())
    }
}

lima_netd_plugin::module! {
    id: "org.example.__NAME__", version: "0.1.0", license: "Apache-2.0",
    network Instance {
        name: "__NAME__", summary: "Gives a guest an address and answers ping", modes: ["__NAME__"],
        isolated: true, schema: Some(SCHEMA),
    }
}

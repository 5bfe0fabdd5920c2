// SPDX-License-Identifier: Apache-2.0
use crate::sys::lnd_endpoint;
use core::net::{IpAddr, Ipv6Addr};

/// An IP address with an optional port number.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Endpoint(pub lnd_endpoint);

impl Endpoint {
    /// `port` 0: none.
    pub fn new(address: IpAddr, port: u16) -> Self {
        let v6 = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Endpoint(lnd_endpoint { address: v6.octets(), port, reserved: 0, scope: 0 })
    }

    /// `None` if all bytes are zero.
    pub fn address(&self) -> Option<IpAddr> {
        let v6 = Ipv6Addr::from(self.0.address);
        match v6.to_ipv4_mapped() {
            Some(v4) => Some(IpAddr::V4(v4)),
            None if v6.is_unspecified() => None,
            None => Some(IpAddr::V6(v6)),
        }
    }

    /// 0: none, or any.
    pub fn port(&self) -> u16 {
        self.0.port
    }
}

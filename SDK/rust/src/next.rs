// SPDX-License-Identifier: Apache-2.0
//! DNS plugins behind each other: `limanetd.dns-next/1`, and `keep_private` of `limanetd.dns-cache/1`.
use crate::{sys::*, DnsQuery, Host, Op};
use core::ffi::c_void;
use core::mem::size_of;

/// The DNS plugin behind this one, in `dns: {plugins: [this, that]}`. Lives as long as the instance.
#[derive(Clone)]
pub struct NextDns {
    table: lnd_host_dns_next,
    ctx: *mut c_void,
}

impl NextDns {
    /// Asks it what was asked. Its answer comes as `on_op_done(op, 0, message)`, never before this returns. `None`: too
    /// many questions are under way.
    ///
    /// `for_op` is the op of the question that came: when that one is cancelled, this one is, too.
    pub fn query(&self, for_op: Op, query: &DnsQuery) -> Option<Op> {
        let raw = lnd_dns_query { size: size_of::<lnd_dns_query>() as u32, ..query.raw };
        // What `raw` points to is borrowed from the host for as long as `query`.
        let op = unsafe { self.table.query?(self.ctx, for_op, &raw) };
        (op != 0).then_some(op)
    }

    /// Forgets a question; no `on_op_done` follows.
    pub fn cancel(&self, op: Op) {
        if let Some(cancel) = self.table.cancel {
            unsafe { cancel(self.ctx, op) }
        }
    }
}

impl Host {
    /// The DNS plugin behind this one; `None`: this one is the last.
    pub fn next_dns(&self) -> Option<NextDns> {
        // The id is the table's.
        let table: lnd_host_dns_next = unsafe { self.extension(c"limanetd.dns-next/1") }?;
        table.query?;
        Some(NextDns { table, ctx: self.raw().ctx })
    }

    /// Before the answer to a question: it is for nobody but who asked, and the host does not keep it for others.
    pub fn keep_private(&self, op: Op) {
        // The id is the table's.
        let table: Option<lnd_host_dns_cache> = unsafe { self.extension(c"limanetd.dns-cache/1") };
        if let Some(keep) = table.and_then(|table| table.keep_private) {
            unsafe { keep(self.raw().ctx, op) };
        }
    }
}

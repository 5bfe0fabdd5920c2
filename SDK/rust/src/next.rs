// SPDX-License-Identifier: Apache-2.0
//! DNS plugins behind each other: `limanetd.dns-next/1`, and `keep_private` of `limanetd.dns-cache/1`.
use crate::{sys::*, DnsQuery, Host, Op};
use core::ffi::c_void;
use core::mem::size_of;

/// The next DNS plugin in the chain, as in `dns: {plugins: [this, next]}`. Valid as long as the instance.
#[derive(Clone)]
pub struct NextDns {
    table: lnd_host_dns_next,
    ctx: *mut c_void,
}

impl NextDns {
    /// Passes a question to it. The answer arrives as `on_op_done(op, 0, message)`, never before this returns.
    /// `None` if too many questions are in progress.
    ///
    /// `for_op` is the operation of the guest's question: cancelling it cancels this one, too.
    pub fn query(&self, for_op: Op, query: &DnsQuery) -> Option<Op> {
        let raw = lnd_dns_query { size: size_of::<lnd_dns_query>() as u32, ..query.raw };
        // What `raw` points to is borrowed from the host for as long as `query`.
        let op = unsafe { self.table.query?(self.ctx, for_op, &raw) };
        (op != 0).then_some(op)
    }

    /// Cancels a question; no `on_op_done` follows.
    pub fn cancel(&self, op: Op) {
        if let Some(cancel) = self.table.cancel {
            unsafe { cancel(self.ctx, op) }
        }
    }
}

impl Host {
    /// The next DNS plugin in the chain; `None` if this one is the last.
    pub fn next_dns(&self) -> Option<NextDns> {
        // The type is that of the id.
        let table: lnd_host_dns_next = unsafe { self.extension(c"limanetd.dns-next/1") }?;
        table.query?;
        Some(NextDns { table, ctx: self.raw().ctx })
    }

    /// Called before a question is completed: its answer is valid for the questioner only, and is not cached for
    /// others.
    pub fn keep_private(&self, op: Op) {
        // The type is that of the id.
        let table: Option<lnd_host_dns_cache> = unsafe { self.extension(c"limanetd.dns-cache/1") };
        if let Some(keep) = table.and_then(|table| table.keep_private) {
            unsafe { keep(self.raw().ctx, op) };
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
use crate::{sys::*, table, Failure, Handle, Op, Port, SendFrame};
use core::ffi::CStr;
use core::marker::PhantomData;

/// Severity of a log message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum LogLevel {
    Trace = 0,
    Debug,
    Info,
    Warn,
    Error,
}

/// The state that a plugin reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It works.
    Ok = LND_STATE_OK,
    /// Something that it needs is not available yet.
    Connecting = LND_STATE_CONNECTING,
    /// It works with restrictions.
    Degraded = LND_STATE_DEGRADED,
    /// It cannot work until a user intervenes.
    Failed = LND_STATE_FAILED,
}

/// The host's functions for an instance, for the loop's thread (not `Send`). Valid as long as the instance.
#[derive(Clone)]
pub struct Host {
    table: lnd_host,
    // Not Send, not Sync: see Waker.
    thread: PhantomData<*const ()>,
}

/// The functions for other threads. Threads must be joined before the instance is dropped.
#[derive(Clone)]
pub struct Waker(Host);

// The host allows log, wake and now_ns on every thread, and a Waker gives access to no other function.
unsafe impl Send for Waker {}
unsafe impl Sync for Waker {}

impl Waker {
    /// Causes a call of `on_wake` on the loop's thread.
    pub fn wake(&self) {
        if let Some(wake) = self.0.table.wake {
            unsafe { wake(self.0.table.ctx) }
        }
    }

    /// Writes a line to the network's log.
    pub fn log(&self, level: LogLevel, text: &str) {
        self.0.log(level, text)
    }

    /// Monotonic nanoseconds, the clock of every deadline.
    pub fn now(&self) -> u64 {
        self.0.now()
    }
}

/// The destination of a call's result, written in pieces.
pub struct Sink<'a> {
    pub(crate) host: &'a Host,
    pub(crate) sink: lnd_sink,
}

impl Sink<'_> {
    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if let Some(write) = self.host.table.write {
            unsafe { write(self.host.table.ctx, self.sink, bytes.as_ptr(), bytes.len() as u64) };
        }
    }
}

impl core::fmt::Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

// The host's functions are called as the header requires: on the loop's thread (a Host cannot leave it), with
// memory that is borrowed for the call.
impl Host {
    /// # Safety
    /// `table` is the host's, and lives as long as the instance.
    pub(crate) unsafe fn new(table: *const lnd_host) -> Option<Host> {
        unsafe { table::read(table) }.map(|table| Host { table, thread: PhantomData })
    }

    /// The table, for functions without a method here.
    pub fn raw(&self) -> &lnd_host {
        &self.table
    }

    /// The functions for other threads.
    pub fn waker(&self) -> Waker {
        Waker(self.clone())
    }

    /// Writes a line to the network's log.
    pub fn log(&self, level: LogLevel, text: &str) {
        if let Some(log) = self.table.log {
            unsafe { log(self.table.ctx, level as u32, text.as_ptr().cast(), text.len() as u64) }
        }
    }

    /// Monotonic nanoseconds, the clock of every deadline.
    pub fn now(&self) -> u64 {
        self.table.now_ns.map_or(0, |now| unsafe { now(self.table.ctx) })
    }

    /// Sends frames in order; returns the number taken. After a smaller number `tx_ready` follows.
    pub fn send(&self, port: Port, frames: &[SendFrame]) -> usize {
        let Some(send) = self.table.send else { return 0 };
        // SendFrame is a transparent lnd_frame.
        unsafe { send(self.table.ctx, port, frames.as_ptr().cast(), frames.len() as u32) as usize }
    }

    /// Watches a descriptor, level-triggered, for `LND_FD_*`; `user` is passed to `on_fds`. The caller still owns
    /// it, and removes the watch before closing it. `None` if the kernel refuses.
    pub fn watch(&self, fd: i32, events: u32, user: u64) -> Option<Handle> {
        let mut watch = 0;
        let status = unsafe { self.table.fd_add?(self.table.ctx, fd, events, user, &mut watch) };
        (status == LND_OK).then_some(watch)
    }

    /// Changes the events of a watch; false if it has ended.
    pub fn modify(&self, watch: Handle, events: u32) -> bool {
        self.table.fd_modify.is_some_and(|modify| unsafe { modify(self.table.ctx, watch, events) } == LND_OK)
    }

    /// Ends a watch.
    pub fn unwatch(&self, watch: Handle) {
        if let Some(remove) = self.table.fd_remove {
            unsafe { remove(self.table.ctx, watch) }
        }
    }

    /// Causes one call of `on_timer` at `deadline` (nanoseconds of `now`) or soon after. `None` if there are too
    /// many timers.
    pub fn timer(&self, deadline: u64, user: u64) -> Option<Handle> {
        let handle = unsafe { self.table.timer_at?(self.table.ctx, deadline, user) };
        (handle != 0).then_some(handle)
    }

    /// Cancels a timer. One that has fired is ignored.
    pub fn cancel_timer(&self, timer: Handle) {
        if let Some(cancel) = self.table.timer_cancel {
            unsafe { cancel(self.table.ctx, timer) }
        }
    }

    /// Reports the plugin's state: `network ls` shows it with the text, one line, until the next report.
    pub fn report(&self, state: State, text: &str) {
        if let Some(report) = self.table.report {
            unsafe { report(self.table.ctx, state as u32, text.as_ptr().cast(), text.len() as u64) }
        }
    }

    /// Completes an operation requested by the host.
    pub fn done(&self, op: Op, result: Result<&[u8], Failure>) {
        let Some(done) = self.table.op_done else { return };
        match result {
            Ok(bytes) => unsafe {
                done(self.table.ctx, op, LND_OK, bytes.as_ptr(), bytes.len() as u64);
            },
            Err(failure) => unsafe {
                done(self.table.ctx, op, failure.status, failure.text.as_ptr(), failure.text.len() as u64);
            },
        }
    }

    /// Reports the reason why the current callback fails; returns the status.
    pub(crate) fn fail(&self, failure: &Failure) -> lnd_status {
        if let Some(fail) = self.table.fail {
            let option = failure.option.as_ref().map_or(core::ptr::null(), |pointer| pointer.as_ptr());
            let text = &failure.text;
            unsafe { fail(self.table.ctx, failure.status, option, text.as_ptr().cast(), text.len() as u64) };
        }
        failure.status
    }

    /// The host's table of an extension, zero-filled if the host is older; `None` if the host does not have it.
    ///
    /// # Safety
    /// `T` is the table type of `id`.
    pub unsafe fn extension<T: Copy>(&self, id: &CStr) -> Option<T> {
        let get = self.table.get_extension?;
        unsafe { table::read(get(self.table.ctx, id.as_ptr()).cast::<T>()) }
    }
}

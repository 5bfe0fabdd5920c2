// SPDX-License-Identifier: Apache-2.0
//! From traits to the tables of C. Each callback gets back the instance that `create` made.
use crate::{dns::*, endpoint::Endpoint, network::*, sys::*, table, Failure, Frame, Host, Options, Sink};
use alloc::boxed::Box;
use core::ffi::{c_char, c_void, CStr};
use core::marker::PhantomData;
use core::mem::size_of;

/// A table that is written once, before it is used.
#[repr(transparent)]
pub struct Static<T>(pub T);

// Its pointers refer to other statics.
unsafe impl<T> Sync for Static<T> {}

// SAFETY of the callbacks below: by lnd_plugin.h the host calls them with the `this` that `create` returned, on the
// loop's thread, one call at a time, never re-entrantly, and never after `destroy`; arguments are valid during the
// call. A panic cannot leave an extern "C" function: it ends the process.

unsafe fn instance<'a, T>(this: *mut c_void) -> &'a mut T {
    unsafe { &mut *this.cast::<T>() }
}

unsafe fn options<'a>(text: *const c_char, length: u64) -> Options<'a> {
    let bytes = unsafe { table::bytes(text.cast::<u8>(), length as usize) };
    Options::new(core::str::from_utf8(bytes).unwrap_or("{}"))
}

/// Reports a failure to the host.
fn told(host: &Host, result: Result<(), Failure>) -> lnd_status {
    match result {
        Ok(()) => LND_OK,
        Err(failure) => host.fail(&failure),
    }
}

fn made<T>(host: &Host, result: Result<T, Failure>) -> *mut c_void {
    match result {
        // A zero-sized type has no unique address: the pair has.
        Ok(instance) => Box::into_raw(Box::new(Instance { value: instance, _place: 0 })).cast(),
        Err(failure) => {
            host.fail(&failure);
            core::ptr::null_mut()
        }
    }
}

#[repr(C)]
struct Instance<T> {
    value: T,
    _place: u8,
}

unsafe extern "C" fn destroy<T>(this: *mut c_void) {
    drop(unsafe { Box::from_raw(this.cast::<Instance<T>>()) });
}

unsafe fn port_info(raw: &lnd_port_info) -> PortInfo<'_> {
    PortInfo {
        kind: raw.kind,
        port: raw.port,
        link: raw.link,
        mtu: raw.mtu,
        offloads: raw.offloads,
        mac: raw.mac,
        name: unsafe { table::text(raw.name) },
    }
}

struct OfNetwork<T>(PhantomData<T>);

impl<T: Network> OfNetwork<T> {
    unsafe fn config<'a>(config: *const lnd_instance_config) -> Option<NetworkConfig<'a>> {
        let config = unsafe { table::read(config) }?;
        Some(unsafe {
            NetworkConfig {
                name: table::text(config.network),
                instance: table::text(config.instance),
                mode: table::text(config.mode),
                options: options(config.options, config.options_length),
                state_directory: table::text(config.state_directory),
            }
        })
    }

    unsafe extern "C" fn create(
        _: *const lnd_plugin, host: *const lnd_host, config: *const lnd_instance_config,
    ) -> *mut c_void {
        let (Some(host), Some(config)) = (unsafe { (Host::new(host), Self::config(config)) }) else {
            return core::ptr::null_mut();
        };
        made(&host.clone(), T::create(host, &config))
    }

    unsafe extern "C" fn validate(
        _: *const lnd_plugin, host: *const lnd_host, config: *const lnd_instance_config,
    ) -> lnd_status {
        let (Some(host), Some(config)) = (unsafe { (Host::new(host), Self::config(config)) }) else {
            return LND_ERR_INTERNAL;
        };
        told(&host, T::validate(&host, &config))
    }

    unsafe extern "C" fn start(this: *mut c_void, op: lnd_op) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let result = this.start_later(op);
        told(this.host(), result)
    }

    unsafe extern "C" fn reconfigure(this: *mut c_void, config: *const lnd_instance_config) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let Some(config) = (unsafe { Self::config(config) }) else { return LND_ERR_INTERNAL };
        let result = this.reconfigure(&config);
        told(this.host(), result)
    }

    unsafe extern "C" fn stop(this: *mut c_void, op: lnd_op) {
        unsafe { instance::<T>(this) }.stop(op)
    }

    unsafe extern "C" fn port_up(this: *mut c_void, info: *const lnd_port_info) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let Some(raw) = (unsafe { table::read(info) }) else { return LND_ERR_INTERNAL };
        let result = this.port_up(&unsafe { port_info(&raw) });
        told(this.host(), result)
    }

    unsafe extern "C" fn port_changed(this: *mut c_void, info: *const lnd_port_info) {
        let Some(raw) = (unsafe { table::read(info) }) else { return };
        unsafe { instance::<T>(this) }.port_changed(&unsafe { port_info(&raw) })
    }

    unsafe extern "C" fn port_down(this: *mut c_void, port: lnd_port) {
        unsafe { instance::<T>(this) }.port_down(port)
    }

    unsafe extern "C" fn rx(this: *mut c_void, port: lnd_port, frames: *const lnd_frame, count: u32) {
        // Frame is a transparent lnd_frame; `count` is at least 1.
        let frames = unsafe { core::slice::from_raw_parts(frames.cast::<Frame>(), count as usize) };
        unsafe { instance::<T>(this) }.rx(port, frames)
    }

    unsafe extern "C" fn tx_ready(this: *mut c_void, port: lnd_port) {
        unsafe { instance::<T>(this) }.tx_ready(port)
    }

    unsafe extern "C" fn on_fds(this: *mut c_void, events: *const lnd_fd_event, count: u32) {
        let events = unsafe { core::slice::from_raw_parts(events, count as usize) };
        unsafe { instance::<T>(this) }.on_fds(events)
    }

    unsafe extern "C" fn on_timer(this: *mut c_void, timer: lnd_handle, user: u64) {
        unsafe { instance::<T>(this) }.on_timer(timer, user)
    }

    unsafe extern "C" fn on_wake(this: *mut c_void) {
        unsafe { instance::<T>(this) }.on_wake()
    }

    unsafe extern "C" fn on_op_done(this: *mut c_void, op: lnd_op, status: lnd_status, bytes: *const u8, length: u64) {
        let bytes = unsafe { table::bytes(bytes, length as usize) };
        unsafe { instance::<T>(this) }.on_op_done(op, status, bytes)
    }

    unsafe extern "C" fn on_event(this: *mut c_void, event: u32) {
        unsafe { instance::<T>(this) }.on_event(event)
    }

    unsafe extern "C" fn status(this: *mut c_void, sink: lnd_sink) {
        let this = unsafe { instance::<T>(this) };
        this.status(&mut Sink { host: this.host(), sink })
    }

    unsafe extern "C" fn reserve(this: *mut c_void, request: *const lnd_lease_request, sink: lnd_sink) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let Some(raw) = (unsafe { table::read(request) }) else { return LND_ERR_INTERNAL };
        let request = LeaseRequest { port: raw.port, mac: raw.mac, name: unsafe { table::text(raw.name) } };
        let host = this.host().clone();
        let result = this.reserve(&request, &mut Sink { host: &host, sink });
        told(&host, result)
    }

    unsafe extern "C" fn release(this: *mut c_void, request: *const lnd_lease_request) {
        let Some(raw) = (unsafe { table::read(request) }) else { return };
        let request = LeaseRequest { port: raw.port, mac: raw.mac, name: unsafe { table::text(raw.name) } };
        unsafe { instance::<T>(this) }.release(&request)
    }

    unsafe extern "C" fn leases(this: *mut c_void, sink: lnd_sink) {
        let this = unsafe { instance::<T>(this) };
        this.leases(&mut Sink { host: this.host(), sink })
    }

    const LEASE: lnd_plugin_lease = lnd_plugin_lease {
        size: size_of::<lnd_plugin_lease>() as u32,
        flags: 0,
        reserve: Some(Self::reserve),
        release: Some(Self::release),
        list: Some(Self::leases),
    };
}

/// The table of a network plugin; [`module!`](crate::module) uses it.
pub const fn network_ops<T: Network>() -> lnd_network_ops {
    lnd_network_ops {
        instance: lnd_instance_ops {
            size: size_of::<lnd_network_ops>() as u32,
            flags: 0,
            create: Some(OfNetwork::<T>::create),
            start: Some(OfNetwork::<T>::start),
            stop: Some(OfNetwork::<T>::stop),
            destroy: Some(destroy::<T>),
            on_fds: Some(OfNetwork::<T>::on_fds),
            on_timer: Some(OfNetwork::<T>::on_timer),
            on_wake: Some(OfNetwork::<T>::on_wake),
            on_op_done: Some(OfNetwork::<T>::on_op_done),
            on_event: Some(OfNetwork::<T>::on_event),
            validate: Some(OfNetwork::<T>::validate),
            reconfigure: Some(OfNetwork::<T>::reconfigure),
            status: Some(OfNetwork::<T>::status),
            reserved: [None; 4],
        },
        port_up: Some(OfNetwork::<T>::port_up),
        port_down: Some(OfNetwork::<T>::port_down),
        rx: Some(OfNetwork::<T>::rx),
        tx_ready: Some(OfNetwork::<T>::tx_ready),
        port_changed: Some(OfNetwork::<T>::port_changed),
    }
}

/// The plugin's `limanetd.lease/1`, if it has the extension and `id` names it.
///
/// # Safety
/// `id` is NULL or NUL-terminated.
pub unsafe fn lease_or_null<T: Network>(id: *const c_char) -> *const c_void {
    if !T::LEASES || id.is_null() || unsafe { CStr::from_ptr(id) } != c"limanetd.lease/1" {
        return core::ptr::null();
    }
    let table: &'static lnd_plugin_lease = &OfNetwork::<T>::LEASE;
    core::ptr::from_ref(table).cast()
}

struct OfDns<T>(PhantomData<T>);

impl<T: Dns> OfDns<T> {
    unsafe fn config<'a>(config: *const lnd_instance_config) -> Option<DnsConfig<'a>> {
        let config = unsafe { table::read(config) }?;
        Some(unsafe {
            DnsConfig {
                network: table::text(config.network),
                instance: table::text(config.instance),
                options: options(config.options, config.options_length),
                state_directory: table::text(config.state_directory),
            }
        })
    }

    unsafe extern "C" fn create(
        _: *const lnd_plugin, host: *const lnd_host, config: *const lnd_instance_config,
    ) -> *mut c_void {
        let (Some(host), Some(config)) = (unsafe { (Host::new(host), Self::config(config)) }) else {
            return core::ptr::null_mut();
        };
        made(&host.clone(), T::create(host, &config))
    }

    unsafe extern "C" fn validate(
        _: *const lnd_plugin, host: *const lnd_host, config: *const lnd_instance_config,
    ) -> lnd_status {
        let (Some(host), Some(config)) = (unsafe { (Host::new(host), Self::config(config)) }) else {
            return LND_ERR_INTERNAL;
        };
        told(&host, T::validate(&host, &config))
    }

    unsafe extern "C" fn start(this: *mut c_void, op: lnd_op) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let result = this.start_later(op);
        told(this.host(), result)
    }

    unsafe extern "C" fn reconfigure(this: *mut c_void, config: *const lnd_instance_config) -> lnd_status {
        let this = unsafe { instance::<T>(this) };
        let Some(config) = (unsafe { Self::config(config) }) else { return LND_ERR_INTERNAL };
        let result = this.reconfigure(&config);
        told(this.host(), result)
    }

    unsafe extern "C" fn stop(this: *mut c_void, op: lnd_op) {
        unsafe { instance::<T>(this) }.stop(op)
    }

    unsafe extern "C" fn resolve(this: *mut c_void, op: lnd_op, query: *const lnd_dns_query) {
        let this = unsafe { instance::<T>(this) };
        let Some(raw) = (unsafe { table::read(query) }) else { return };
        let query = DnsQuery {
            message: unsafe { table::bytes(raw.message, raw.length as usize) },
            transport: raw.transport,
            deadline: raw.deadline_ns,
            port: raw.port,
            mac: raw.mac,
            name: unsafe { table::text(raw.name) },
            client: Endpoint(raw.client),
            server: Endpoint(raw.server),
            raw,
        };
        this.resolve(op, &query)
    }

    unsafe extern "C" fn cancel(this: *mut c_void, op: lnd_op) {
        unsafe { instance::<T>(this) }.cancel(op)
    }

    unsafe extern "C" fn on_fds(this: *mut c_void, events: *const lnd_fd_event, count: u32) {
        let events = unsafe { core::slice::from_raw_parts(events, count as usize) };
        unsafe { instance::<T>(this) }.on_fds(events)
    }

    unsafe extern "C" fn on_timer(this: *mut c_void, timer: lnd_handle, user: u64) {
        unsafe { instance::<T>(this) }.on_timer(timer, user)
    }

    unsafe extern "C" fn on_wake(this: *mut c_void) {
        unsafe { instance::<T>(this) }.on_wake()
    }

    unsafe extern "C" fn on_op_done(this: *mut c_void, op: lnd_op, status: lnd_status, bytes: *const u8, length: u64) {
        let bytes = unsafe { table::bytes(bytes, length as usize) };
        unsafe { instance::<T>(this) }.on_op_done(op, status, bytes)
    }

    unsafe extern "C" fn on_event(this: *mut c_void, event: u32) {
        unsafe { instance::<T>(this) }.on_event(event)
    }

    unsafe extern "C" fn status(this: *mut c_void, sink: lnd_sink) {
        let this = unsafe { instance::<T>(this) };
        this.status(&mut Sink { host: this.host(), sink })
    }
}

/// The table of a DNS plugin; [`module!`](crate::module) uses it.
pub const fn dns_ops<T: Dns>() -> lnd_dns_ops {
    lnd_dns_ops {
        instance: lnd_instance_ops {
            size: size_of::<lnd_dns_ops>() as u32,
            flags: 0,
            create: Some(OfDns::<T>::create),
            start: Some(OfDns::<T>::start),
            stop: Some(OfDns::<T>::stop),
            destroy: Some(destroy::<T>),
            on_fds: Some(OfDns::<T>::on_fds),
            on_timer: Some(OfDns::<T>::on_timer),
            on_wake: Some(OfDns::<T>::on_wake),
            on_op_done: Some(OfDns::<T>::on_op_done),
            on_event: Some(OfDns::<T>::on_event),
            validate: Some(OfDns::<T>::validate),
            reconfigure: Some(OfDns::<T>::reconfigure),
            status: Some(OfDns::<T>::status),
            reserved: [None; 4],
        },
        resolve: Some(OfDns::<T>::resolve),
        cancel: Some(OfDns::<T>::cancel),
    }
}

/// The descriptor of a file with one plugin; [`module!`](crate::module) uses it. The texts are NUL-terminated.
pub const fn static_module(
    id: &'static str, version: &'static str, license: &'static str, plugins: *const *const lnd_plugin,
) -> Static<lnd_module> {
    Static(lnd_module {
        size: size_of::<lnd_module>() as u32,
        abi_minor: LND_ABI_MINOR,
        id: id.as_ptr().cast(),
        version: version.as_ptr().cast(),
        license: license.as_ptr().cast(),
        url: core::ptr::null(),
        plugin_count: 1,
        flags: 0,
        plugins,
        requires_host: core::ptr::null(),
    })
}

/// Defines the file's descriptor and its exported symbol: see the crate's documentation. `schema` is `None` or
/// `Some(c"...")`, a JSON Schema.
#[macro_export]
macro_rules! module {
    (@plugin $kind:literal, $flags:expr, $modes:expr, $ops:expr, $extension:expr,
     $id:literal, $version:expr, $license:literal, $name:literal, $summary:literal, $schema:expr) => {
        const _: () = {
            static PLUGIN: $crate::Static<$crate::sys::lnd_plugin> = $crate::Static($crate::sys::lnd_plugin {
                size: ::core::mem::size_of::<$crate::sys::lnd_plugin>() as u32,
                flags: $flags,
                kind: concat!($kind, "\0").as_ptr().cast(),
                name: concat!($name, "\0").as_ptr().cast(),
                summary: concat!($summary, "\0").as_ptr().cast(),
                modes: $modes,
                options_schema: match $schema {
                    ::core::option::Option::Some(text) => ::core::ffi::CStr::as_ptr(text),
                    ::core::option::Option::None => ::core::ptr::null(),
                },
                user: ::core::ptr::null_mut(),
                ops: $ops,
                get_extension: $extension,
            });
            static PLUGINS: $crate::Static<[*const $crate::sys::lnd_plugin; 1]> =
                $crate::Static([&raw const PLUGIN.0]);
            static MODULE: $crate::Static<$crate::sys::lnd_module> = $crate::static_module(
                concat!($id, "\0"),
                concat!($version, "\0"),
                concat!($license, "\0"),
                (&raw const PLUGINS.0).cast(),
            );

            #[no_mangle]
            extern "C" fn lima_netd_module_v1(
                _: *const $crate::sys::lnd_host_info,
            ) -> *const $crate::sys::lnd_module {
                &raw const MODULE.0
            }
        };
    };
    (id: $id:literal, version: $version:expr, license: $license:literal,
     network $type:ty { name: $name:literal, summary: $summary:literal, modes: [$($mode:literal),*],
                        isolated: $isolated:literal, schema: $schema:expr $(,)? } $(,)?) => {
        const _: () = {
            static OPS: $crate::Static<$crate::sys::lnd_network_ops> =
                $crate::Static($crate::network_ops::<$type>());
            static MODES: $crate::Static<&[*const ::core::ffi::c_char]> =
                $crate::Static(&[$(concat!($mode, "\0").as_ptr().cast(),)* ::core::ptr::null()]);
            unsafe extern "C" fn extension(
                _: *const $crate::sys::lnd_plugin, id: *const ::core::ffi::c_char,
            ) -> *const ::core::ffi::c_void {
                unsafe { $crate::lease_or_null::<$type>(id) }
            }
            $crate::module!(@plugin "network",
                if $isolated { $crate::sys::LND_NETWORK_ISOLATED } else { 0 },
                MODES.0.as_ptr(), (&raw const OPS.0).cast(), ::core::option::Option::Some(extension),
                $id, $version, $license, $name, $summary, $schema);
        };
    };
    (id: $id:literal, version: $version:expr, license: $license:literal,
     dns $type:ty { name: $name:literal, summary: $summary:literal, schema: $schema:expr $(,)? } $(,)?) => {
        const _: () = {
            static OPS: $crate::Static<$crate::sys::lnd_dns_ops> = $crate::Static($crate::dns_ops::<$type>());
            $crate::module!(@plugin "dns", 0, ::core::ptr::null(), (&raw const OPS.0).cast(),
                ::core::option::Option::None,
                $id, $version, $license, $name, $summary, $schema);
        };
    };
}

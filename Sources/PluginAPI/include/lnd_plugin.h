/* lnd_plugin.h - the lima-netd plugin ABI, version 1.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * This header and its lnd_ext_*.h siblings are the whole contract between
 * lima-netd and a plugin. It is C11 and C++11, uses only <stdint.h>, and
 * needs no macro, no variadic call and no symbol of the host: everything a
 * plugin may call reaches it in a table of function pointers (lnd_host).
 *
 * LIFE OF A PLUGIN
 *
 *     dlopen                      once per process, never unloaded
 *       lima_netd_module_v1()     pure; any number of times
 *         create -> start -> { port_up, rx, on_fds, on_timer, ... }
 *                -> stop -> op_done -> destroy -> process exits
 *
 * One process ("network-host") serves one network, with one network plugin
 * and one DNS plugin. A crash costs that network only. Where the user asks for
 * another DNS plugin, or for other options, while the network runs, two DNS
 * instances overlap: the new one is made and started while the old one
 * answers; then the old one's questions are cancelled and asked of the new
 * one, and it is stopped and destroyed. They may come from one file. A process
 * that serves DNS without a network has a DNS plugin only.
 *
 * THREADS
 *
 *   [loop]  called on, or to be called from, the network's one loop thread
 *   [any]   may be called from every thread
 *
 * The host calls a plugin on the loop thread only, one call at a time. A
 * plugin may start threads of its own; they may use the [any] functions, and
 * `wake` brings work back to the loop. A callback must not block: the guests
 * of the network wait meanwhile. Host functions may be called from inside a
 * callback unless their text says otherwise; the host never calls back into
 * the plugin from inside a host function (in particular, `send` never calls
 * `rx`, and `dns.query` never completes before it has returned).
 *
 * OWNERSHIP
 *
 *   Arguments, in both directions, are borrowed for the call: whoever wants
 *   to keep bytes copies them. Results are handed to a sink of the host
 *   (`write`, `op_done`), never returned in allocated memory, so no allocator
 *   crosses the boundary. Exceptions are marked STATIC: they must stay valid
 *   and unchanged for the life of the process.
 *   Text is UTF-8. With a length beside it, it need not end in NUL.
 *
 * GROWTH
 *
 *   Every table begins with its size in bytes as the writer knew it. New
 *   members are only ever appended. The reader copies min(size) bytes into a
 *   zeroed table of its own, so an absent member reads as NULL or 0. Element
 *   types that travel in arrays (lnd_frame, lnd_slice, lnd_fd_event) are
 *   frozen for good. Members called `reserved` are written as 0 and ignored
 *   when read. Unknown flags and enumeration values are ignored unless the
 *   text of a field says otherwise.
 *   Everything optional beyond 1.0 is an extension, asked for by string id.
 */
#ifndef LND_PLUGIN_H
#define LND_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The major version is part of the entry's name; an incompatible future has
 * another symbol. The minor version grows whenever something is added. */
#define LND_ABI_MAJOR 1
#define LND_ABI_MINOR 1

/* ------------------------------------------------------------------ status */

/* What a call came to. 0 is success, negative values are failures; a reader
 * takes a negative value it does not know as LND_ERR_INTERNAL. */
typedef int32_t lnd_status;

#define LND_OK                 0
#define LND_ERR_INVALID_CONFIG (-1)  /* options or addresses that cannot work   */
#define LND_ERR_UNSUPPORTED    (-2)  /* not offered here, now or on this system */
#define LND_ERR_NOT_FOUND      (-3)
#define LND_ERR_EXISTS         (-4)  /* name, address or port is taken          */
#define LND_ERR_BUSY           (-5)  /* try again later                         */
#define LND_ERR_LIMIT          (-6)  /* a configured or built-in bound          */
#define LND_ERR_TIMEOUT        (-7)
#define LND_ERR_SYSTEM         (-8)  /* the kernel said no: put errno's text in `fail` */
#define LND_ERR_INTERNAL       (-9)
#define LND_ERR_CANCELLED      (-10)
#define LND_ERR_REFUSED        (-11) /* since 1.1: the other side said no       */

/* ----------------------------------------------------------------- handles */

/* All handles carry a generation: one that is used after its end is ignored
 * and counted, never mistaken for a newer one. 0 means none. */
typedef uint64_t lnd_handle; /* a watched fd or a timer                     */
typedef uint64_t lnd_port;   /* a guest's link, an uplink, or the switch    */
typedef uint64_t lnd_op;     /* an operation that completes later           */
typedef uint64_t lnd_sink;   /* where `write` puts bytes; valid for the call
                              * that brought it                             */

/* ------------------------------------------------------------------ frames */

/* A piece of memory. On LP64 systems laid out as struct iovec. Frozen. */
typedef struct lnd_slice {
    const uint8_t *data;
    uint64_t length; /* bytes */
} lnd_slice;

/* lnd_frame.flags */
#define LND_FRAME_NEEDS_CSUM 0x1u /* The transport checksum is not complete: the
                                   * field at csum_start + csum_offset holds the
                                   * folded sum of the pseudo header, and the sum
                                   * from csum_start to the end is still due
                                   * (VIRTIO_NET_HDR_F_NEEDS_CSUM).            */
#define LND_FRAME_CSUM_VALID 0x2u /* All checksums were verified (or the frame
                                   * never left this machine's memory).        */
#define LND_FRAME_SLICES     0x4u /* In `send` only: `data` points to an array of
                                   * `capacity` lnd_slice, whose lengths add up
                                   * to `length`. At most LND_FRAME_MAX_SLICES. */

#define LND_FRAME_MAX_SLICES 64u

/* lnd_frame.gso_type: the values of struct virtio_net_hdr */
#define LND_GSO_NONE   0u
#define LND_GSO_TCPV4  1u
#define LND_GSO_TCPV6  4u
#define LND_GSO_UDP_L4 5u

/* The largest frame: a 64 KiB IP packet and an Ethernet header with a tag. */
#define LND_FRAME_MAX 65553u

/* One Ethernet frame, from destination address to the end of the payload (no
 * preamble, no FCS). Frozen at 32 bytes.
 *
 * With gso_type set, the frame is a super-frame: one header and up to 64 KiB
 * of payload, to be cut into segments of gso_size payload bytes each. A plugin
 * may always send one; the host's port passes it down where the link can carry
 * it and cuts it where not. A super-frame implies LND_FRAME_NEEDS_CSUM.
 * A plugin receives super-frames only from ports whose lnd_port_info.offloads
 * says so. */
typedef struct lnd_frame {
    const uint8_t *data;
    uint32_t length;      /* bytes of frame                                    */
    uint32_t capacity;    /* slices, with LND_FRAME_SLICES; otherwise 0        */
    uint32_t flags;       /* LND_FRAME_*                                       */
    uint16_t gso_type;    /* LND_GSO_*                                         */
    uint16_t gso_size;    /* payload bytes per segment                         */
    uint16_t csum_start;  /* offset of the transport header from `data`        */
    uint16_t csum_offset; /* offset of the checksum field from csum_start      */
    uint16_t hdr_len;     /* bytes of all headers: what each segment repeats   */
    uint16_t reserved;
} lnd_frame;

/* ------------------------------------------------------------------- ports */

/* lnd_port_info.kind */
#define LND_PORT_GUEST  1u /* one guest's link                                */
#define LND_PORT_SWITCH 2u /* the host's learning switch, behind which all
                            * guests of a switched network sit               */
#define LND_PORT_UPLINK 3u /* a port the plugin added (lnd_ext_uplink.h)      */

/* lnd_port_info.offloads: what the link behind the port carries by itself */
#define LND_OFFLOAD_CSUM  0x1u
#define LND_OFFLOAD_TSO4  0x2u
#define LND_OFFLOAD_TSO6  0x4u
#define LND_OFFLOAD_UDP_SEGMENT 0x8u

typedef struct lnd_port_info {
    uint32_t size;
    uint32_t kind;      /* LND_PORT_*                                          */
    lnd_port port;
    uint32_t mtu;       /* bytes of IP packet the link carries; 0: not known,
                         * the guest decides (a QEMU socket)                   */
    uint32_t offloads;  /* LND_OFFLOAD_*                                       */
    uint8_t mac[6];     /* the guest's, if known; otherwise zero               */
    uint8_t reserved[2];
    uint32_t reserved1;
    const char *name;   /* the guest's name, or "" if it has none; NUL-ended   */
} lnd_port_info;

/* --------------------------------------------------------------------- fds */

/* lnd_fd_event.events and `fd_add`. Level-triggered. */
#define LND_FD_READ   0x1u
#define LND_FD_WRITE  0x2u
#define LND_FD_ERROR  0x4u /* always reported: error or both ends closed       */
#define LND_FD_HANGUP 0x8u /* the peer will send no more                       */

/* Frozen at 16 bytes. */
typedef struct lnd_fd_event {
    uint64_t user;   /* as given to fd_add */
    uint32_t events; /* LND_FD_*           */
    uint32_t reserved;
} lnd_fd_event;

/* -------------------------------------------------------------------- host */

/* lnd_host.log levels */
#define LND_LOG_TRACE 0u
#define LND_LOG_DEBUG 1u
#define LND_LOG_INFO  2u
#define LND_LOG_WARN  3u
#define LND_LOG_ERROR 4u

/* What the host offers an instance. The table and everything it points to
 * live until `destroy` has returned; ctx is the first argument of each call. */
typedef struct lnd_host {
    uint32_t size;
    uint32_t abi_minor; /* the host's */
    void *ctx;

    /* [any] Writes a line to the network's log. `level` as LND_LOG_*. */
    void (*log)(void *ctx, uint32_t level, const char *text, uint64_t length);

    /* [any] Makes the host call `on_wake` on the loop thread soon. Calls that
     * come before that call are folded into one. Ignored after `destroy`
     * began, so threads must be joined there. */
    void (*wake)(void *ctx);

    /* [any] Monotonic time in nanoseconds; the clock of every deadline. */
    uint64_t (*now_ns)(void *ctx);

    /* [loop] Watches fd, level-triggered, for `events` (LND_FD_READ and
     * LND_FD_WRITE; may be 0). `user` comes back in lnd_fd_event. The fd stays
     * the plugin's: remove the watch before closing it.
     * Returns 0 when the kernel refuses (errno says why). */
    lnd_handle (*fd_add)(void *ctx, int32_t fd, uint32_t events, uint64_t user);

    /* [loop] Changes what is watched. LND_ERR_NOT_FOUND for a stale handle. */
    lnd_status (*fd_modify)(void *ctx, lnd_handle watch, uint32_t events);

    /* [loop] Ends a watch. Events already collected in this turn of the loop
     * are not delivered any more. Ignores a stale handle. */
    void (*fd_remove)(void *ctx, lnd_handle watch);

    /* [loop] Calls on_timer once, at deadline_ns (of now_ns) or soon after. A
     * deadline in the past fires on the next turn of the loop. 0: too many
     * timers (the bound is LND_MAX_TIMERS). */
    lnd_handle (*timer_at)(void *ctx, uint64_t deadline_ns, uint64_t user);

    /* [loop] Ignores a stale handle, and one that has fired. */
    void (*timer_cancel)(void *ctx, lnd_handle timer);

    /* [loop] Network plugins: sends frames out of a port, in order. Returns
     * how many were taken, from the first on; the rest stays the plugin's, and
     * `tx_ready` says when to try again. A port that is gone takes all and
     * drops them. A malformed frame (no Ethernet header, longer than
     * LND_FRAME_MAX, offsets outside) is taken, dropped and counted.
     * `frames` and all they point to may be reused when the call returns. */
    uint32_t (*send)(void *ctx, lnd_port port, const lnd_frame *frames, uint32_t count);

    /* [loop] Says why the current callback fails; returns `code`, so that a
     * failure is one line: `return host->fail(...)`. `json_pointer` (RFC 6901)
     * names the option at fault, as "/gateway", or is NULL. The user reads
     * "networks.lab.options.gateway: TEXT (plugin NAME)". */
    lnd_status (*fail)(void *ctx, lnd_status code, const char *json_pointer, const char *text,
                       uint64_t length);

    /* [loop] Completes an operation the host asked for, exactly once, from
     * inside the call that brought it or later. `bytes` is the result, or the
     * reason of a failure as text. A stale op is ignored and counted. */
    void (*op_done)(void *ctx, lnd_op op, lnd_status status, const uint8_t *bytes, uint64_t length);

    /* [loop] Appends to the sink of the current call. */
    void (*write)(void *ctx, lnd_sink sink, const uint8_t *bytes, uint64_t length);

    /* [loop] The host's side of an extension, or NULL. Valid from `create` on
     * and as long as the instance. */
    const void *(*get_extension)(void *ctx, const char *id);
} lnd_host;

#define LND_MAX_TIMERS 65536u

/* -------------------------------------------------------- plugin descriptor */

#define LND_KIND_NETWORK "network"
#define LND_KIND_DNS     "dns"

/* lnd_plugin.flags, network plugins */
#define LND_NETWORK_ISOLATED 0x1u /* each guest is alone with the plugin, as a
                                   * port of its own. Otherwise the network is
                                   * switched: guests share one L2, and the
                                   * plugin is one more port of the switch.    */
#define LND_NETWORK_TAP 0x2u      /* since 1.1: needs a TAP device of the host's
                                   * (lnd_ext_tap.h)                           */

/* What a plugin is. STATIC. `plugin ls` and `plugin info` need nothing else:
 * reading it must not require an instance. */
typedef struct lnd_plugin {
    uint32_t size;
    uint32_t flags;
    const char *kind;           /* LND_KIND_*; a host skips kinds it does not know */
    const char *name;           /* [a-z][a-z0-9-]{0,31}                            */
    const char *summary;        /* one line                                        */
    const char *const *modes;   /* network: the `mode:` values it serves,
                                 * NULL-ended; otherwise NULL                      */
    const char *options_schema; /* JSON Schema (2020-12) of `options:`, or NULL:
                                 * takes none. The host checks options against it
                                 * and fills in defaults before `create`.          */
    void *user;                 /* the plugin's own                                */
    const void *ops;            /* lnd_network_ops or lnd_dns_ops, by kind         */

    /* [loop] The plugin's side of an extension, or NULL. May be NULL itself. */
    const void *(*get_extension)(const struct lnd_plugin *plugin, const char *id);
} lnd_plugin;

/* What a file holds. STATIC. */
typedef struct lnd_module {
    uint32_t size;
    uint32_t abi_minor;  /* LND_ABI_MINOR when the plugin was built: the host
                          * behaves towards it as that version says           */
    const char *id;      /* reverse DNS, as "org.example.vpn"                  */
    const char *version; /* semantic version                                   */
    const char *license; /* SPDX expression                                    */
    const char *url;     /* or NULL                                            */
    uint32_t plugin_count;
    uint32_t reserved;
    const lnd_plugin *const *plugins; /* plugin_count pointers                 */
} lnd_module;

typedef struct lnd_host_info {
    uint32_t size;
    uint32_t abi_minor;
    const char *name;    /* "lima-netd" */
    const char *version;
} lnd_host_info;

/* THE ENTRY: the one symbol a plugin exports.
 * [any] Returns the module; NULL refuses the host. Must be pure and quick: no
 * thread, no I/O, no fd, below 100 ms. May be called more than once and then
 * returns the same pointer. Called in a throw-away process, too, to list
 * plugins. */
#ifdef __GNUC__
__attribute__((visibility("default")))
#endif
const lnd_module *lima_netd_module_v1(const lnd_host_info *host);

typedef const lnd_module *(*lnd_entry_v1)(const lnd_host_info *host);

#define LND_ENTRY_SYMBOL "lima_netd_module_v1"

/* --------------------------------------------------------- network plugins */

typedef struct lnd_network_config {
    uint32_t size;
    uint32_t reserved;
    const char *name;         /* of the network; NUL-ended                      */
    const char *mode;         /* the mode it was chosen for; NUL-ended          */
    const char *options;      /* one JSON object, checked against the schema and
                               * with its defaults filled in; NUL-ended. The
                               * keys of networks.yaml that have meaning for every
                               * network (gateway, netmask, dhcpEnd, interface)
                               * are members, too, if the schema names them.    */
    uint64_t options_length;  /* bytes, without the NUL                         */

    /* Since 1.1: a folder that is this network's alone, where the plugin may
     * keep what shall outlive its process, from `start` on; an absolute path,
     * NUL-ended. NULL or "": there is none. Other files in it belong to
     * others: keep to names that begin with the plugin's.                     */
    const char *state_directory;
} lnd_network_config;

/* The callbacks of a network plugin. All [loop].
 * create, start, stop, destroy, port_up, port_down and rx are required, now
 * and for ever; all others may be NULL. */
typedef struct lnd_network_ops {
    uint32_t size;
    uint32_t reserved;

    /* Makes an instance for a network. Copies what it keeps of `config`; keeps
     * `host`. On failure calls host->fail and returns NULL; nothing of it may
     * stay behind. Must not touch the network or the file system yet.
     * NULL as the instance's address is not allowed: return something. */
    void *(*create)(const lnd_plugin *plugin, const lnd_host *host,
                    const lnd_network_config *config);

    /* Opens what the network needs. Ports come after it. After a failure
     * `destroy` follows at once. */
    lnd_status (*start)(void *self);

    /* Winds down: no new work; complete `op` with op_done when quiet. All
     * ports have been taken down before. The host waits 5 s at most. */
    void (*stop)(void *self, lnd_op op);

    /* Frees the instance. No host function may be called after it returns.
     * Legal after create, after a failed start and after stop. */
    void (*destroy)(void *self);

    /* A port is there. A switched network has exactly one, of kind
     * LND_PORT_SWITCH, before the first frame; an isolated one has a port for
     * each guest. A failure (say why with `fail`) disconnects the guest. */
    lnd_status (*port_up)(void *self, const lnd_port_info *info);

    /* A port is gone. Idempotent: an unknown port is no error. */
    void (*port_down)(void *self, lnd_port port);

    /* Frames from a port, 1..256 at a time, each of at least 14 bytes. */
    void (*rx)(void *self, lnd_port port, const lnd_frame *frames, uint32_t count);

    /* The port takes frames again after a short `send`. */
    void (*tx_ready)(void *self, lnd_port port);

    /* Watched fds are ready: all of one turn of the loop, at most 256. An
     * event for a watch removed earlier in the same array may still come:
     * compare `user` with what you keep. */
    void (*on_fds)(void *self, const lnd_fd_event *events, uint32_t count);

    /* A timer fired; its handle is spent. */
    void (*on_timer)(void *self, lnd_handle timer, uint64_t user);

    /* `wake` was called. */
    void (*on_wake)(void *self);

    /* An operation this plugin asked of the host (an extension's call that
     * returned an lnd_op) is complete. Exactly once per op unless cancelled. */
    void (*on_op_done)(void *self, lnd_op op, lnd_status status, const uint8_t *bytes,
                       uint64_t length);

    /* Checks rules between options that the schema cannot say, without making
     * an instance. Fails like create. */
    lnd_status (*validate)(const lnd_plugin *plugin, const lnd_host *host,
                           const lnd_network_config *config);

    /* Writes one JSON object to the sink: counters and state worth showing. */
    void (*status)(void *self, lnd_sink sink);
} lnd_network_ops;

/* ------------------------------------------------------------- DNS plugins */

/* lnd_dns_query.transport: how the client asked. For information; the host
 * does truncation and TCP framing. */
#define LND_DNS_UDP 1u
#define LND_DNS_TCP 2u

/* A question (RFC 1035 section 4). The host has checked that it is a query of
 * opcode 0 with exactly one question and well-formed sections. */
typedef struct lnd_dns_query {
    uint32_t size;
    uint32_t transport;     /* LND_DNS_* */
    const uint8_t *message; /* the whole message, id included                 */
    uint32_t length;        /* 12..65535                                      */
    uint32_t reserved;
    uint64_t deadline_ns;   /* of now_ns: later answers are of no use         */
} lnd_dns_query;

typedef struct lnd_dns_config {
    uint32_t size;
    uint32_t reserved;
    const char *network;     /* name of the network it answers for; NUL-ended */
    const char *options;     /* as lnd_network_config.options                 */
    uint64_t options_length;
} lnd_dns_config;

/* lnd_dns_ops.on_event */
#define LND_DNS_EVENT_NETWORK_CHANGED 1u /* resolv.conf or the host's network
                                          * changed: read it anew            */

/* The callbacks of a DNS plugin. All [loop]. create, start, stop, destroy and
 * resolve are required, now and for ever. create, start, stop, destroy,
 * on_fds, on_timer, on_wake, validate and status are as in lnd_network_ops.
 * Neither create nor start may fail because the machine is offline. */
typedef struct lnd_dns_ops {
    uint32_t size;
    uint32_t reserved;
    void *(*create)(const lnd_plugin *plugin, const lnd_host *host, const lnd_dns_config *config);
    lnd_status (*start)(void *self);
    void (*stop)(void *self, lnd_op op);
    void (*destroy)(void *self);

    /* Turns a question into an answer: op_done(op, LND_OK, message, length)
     * with a whole DNS message of up to 65535 bytes that answers the message
     * given: QR set, its id, and its question (letters need not be the same
     * case). The host puts the client's own id, letters, RD and CD in their
     * place, adds or takes off OPT, and cuts the message to what the client
     * can take; another id or question, and what is no answer at all, becomes
     * SERVFAIL, and so does a failure. The host gives up at the deadline,
     * answers SERVFAIL itself, and calls `cancel`. */
    void (*resolve)(void *self, lnd_op op, const lnd_dns_query *query);

    /* The answer is not wanted any more. op_done must not, but may, follow. */
    void (*cancel)(void *self, lnd_op op);

    void (*on_fds)(void *self, const lnd_fd_event *events, uint32_t count);
    void (*on_timer)(void *self, lnd_handle timer, uint64_t user);
    void (*on_wake)(void *self);

    /* Something the plugin may care for changed: LND_DNS_EVENT_*. */
    void (*on_event)(void *self, uint32_t event);

    lnd_status (*validate)(const lnd_plugin *plugin, const lnd_host *host,
                           const lnd_dns_config *config);
    void (*status)(void *self, lnd_sink sink);
} lnd_dns_ops;

#ifdef __cplusplus
}
#endif

#endif /* LND_PLUGIN_H */
